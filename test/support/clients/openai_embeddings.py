"""The SDK of OpenAI and LangChain's embeddings on it; prints what they got as JSON."""

import asyncio
import base64
import json
import struct
import sys

import openai
from langchain_openai import OpenAIEmbeddings

given = json.loads(sys.argv[1])
documents, dimensions = given["documents"], given["dimensions"]
MODEL = "text-embedding-3-small"


def client(url=given["url"], key=given["key"], kind=openai.OpenAI, **options):
    return kind(base_url=f"{url}/v1", api_key=key, **options)


def embed(to=client(), **options):
    return to.embeddings.create(**{"input": documents, "model": MODEL, **options})


def vectors(answer):
    return [each.embedding for each in answer.data]


def decoded(answer):
    encoded = [base64.b64decode(each.embedding) for each in answer.data]
    return [struct.unpack(f"<{len(each) // 4}f", each) for each in encoded]


def error(call):
    try:
        call()
    except openai.APIStatusError as raised:
        return {
            "type": type(raised).__name__,
            "status": raised.status_code,
            "code": raised.code,
            "message": raised.message,
            "retry_after": raised.response.headers.get("retry-after"),
        }
    return None


def langchain(url=given["url"], **options):
    return OpenAIEmbeddings(
        base_url=f"{url}/v1", api_key=given["key"], model=MODEL, check_embedding_ctx_length=False, **options
    )


async def embed_later():
    async with client(kind=openai.AsyncOpenAI) as later:
        return vectors(await later.embeddings.create(input=documents, model=MODEL))


plain = embed()
busy = given["busy_url"]

print(
    json.dumps(
        {
            "default": vectors(plain),
            "usage": plain.usage.model_dump(),
            "model": plain.model,
            "float": vectors(embed(encoding_format="float")),
            "base64": decoded(embed(encoding_format="base64")),
            "short": vectors(embed(dimensions=dimensions)),
            "async": asyncio.run(embed_later()),
            "models": [each.id for each in client().models.list()],
            "retrieved": client().models.retrieve(given["embedder"]).id,
            "retried": vectors(embed(client(busy))),
            "langchain": langchain().embed_documents(documents),
            "langchain_short": langchain(dimensions=dimensions, chunk_size=2).embed_documents(documents),
            "langchain_retried": langchain(busy).embed_documents(documents),
            "errors": {
                "key": error(lambda: embed(client(key="wrong"))),
                "model": error(lambda: embed(client(given["strict_url"]))),
                "many": error(lambda: embed(input=["a"] * given["too_many"])),
                "long": error(lambda: embed(input="word " * 2000)),
                "empty": error(lambda: embed(input=[])),
                "ids": error(lambda: embed(input=[[1, 2, 3]])),
                "dimensions": error(lambda: embed(dimensions=100_000)),
                "busy": error(lambda: embed(client(busy, max_retries=0))),
            },
            "after_busy": vectors(embed(client(busy))),
        }
    )
)
