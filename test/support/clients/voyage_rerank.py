"""The SDK of Voyage; prints what it got as JSON."""

import asyncio
import json
import sys

import voyageai
from voyageai.error import VoyageError

given = json.loads(sys.argv[1])
query, documents = given["query"], given["documents"]


def client(url, key=given["key"], max_retries=1, kind=voyageai.Client):
    return kind(api_key=key, base_url=f"{url}/v1", max_retries=max_retries)


def error(call):
    try:
        call()
    except VoyageError as raised:
        return {"type": type(raised).__name__, "status": raised.http_status, "message": raised.user_message}
    return None


def ranked(response):
    return [[result.index, result.relevance_score] for result in response.results]


voyage = client(given["url"])
all_of_them = voyage.rerank(query, documents, model="rerank-2.5")
best = voyage.rerank(query, documents, model="rerank-2.5", top_k=2, truncation=False)
later = client(given["url"], kind=voyageai.AsyncClient).rerank(query, documents, model="rerank-2.5-lite")

print(
    json.dumps(
        {
            "all": ranked(all_of_them),
            "tokens": all_of_them.total_tokens,
            "best": ranked(best),
            "async": ranked(asyncio.run(later)),
            "retried": ranked(client(given["busy_url"], max_retries=2).rerank(query, documents, model="m")),
            "errors": {
                "empty": error(lambda: voyage.rerank(query, [], model="m")),
                "empty_text": error(lambda: voyage.rerank(query, ["a", ""], model="m")),
                "many": error(lambda: voyage.rerank(query, ["a"] * given["too_many"], model="m")),
                "long": error(lambda: voyage.rerank(query, ["a " * 2000], model="m", truncation=False)),
                "key": error(lambda: client(given["url"], "wrong").rerank(query, documents, model="m")),
                "model": error(lambda: client(given["strict_url"]).rerank(query, documents, model="m")),
                "busy": error(lambda: client(given["busy_url"]).rerank(query, documents, model="m")),
            },
        }
    )
)
