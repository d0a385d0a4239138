"""The InferenceClient of huggingface_hub; prints what it got as JSON."""

import asyncio
import json
import sys

from huggingface_hub import AsyncInferenceClient, InferenceClient
from huggingface_hub.errors import HfHubHTTPError

given = json.loads(sys.argv[1])
url, query, documents = given["url"], given["query"], given["documents"]
model = f"{url}/models/any/name"


def client(address, key=given["key"], kind=InferenceClient):
    return kind(model=address, token=key, provider="hf-inference")


def features(address, texts=documents, **options):
    return client(address).feature_extraction(texts, **options).tolist()


def error(call):
    try:
        call()
    except HfHubHTTPError as raised:
        return {"status": raised.response.status_code, "message": raised.server_message}
    return None


async def features_later():
    later = client(url, kind=AsyncInferenceClient)
    return (await later.feature_extraction(documents)).tolist()


print(
    json.dumps(
        {
            "root": features(url),
            "pipeline": features(f"{model}/pipeline/feature-extraction"),
            "short": features(url, normalize=True, dimensions=given["dimensions"], truncate=True),
            "one": features(url, documents[0]),
            "async": asyncio.run(features_later()),
            "cosines": client(f"{model}/pipeline/sentence-similarity").sentence_similarity(query, documents),
            "scores": client(model).sentence_similarity(query, documents),
            "errors": {
                "key": error(lambda: client(url, "wrong").feature_extraction(documents)),
                "model": error(lambda: features(f"{given['strict_url']}/models/none/such")),
                "many": error(lambda: features(url, ["a"] * given["too_many"])),
                "long": error(lambda: features(url, ["word " * 2000], truncate=False)),
                "busy": error(lambda: features(given["busy_url"])),
            },
            "after_busy": features(given["busy_url"]),
        }
    )
)
