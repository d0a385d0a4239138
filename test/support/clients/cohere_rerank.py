"""The SDK of Cohere, for both versions of its API; prints what it got as JSON."""

import json
import sys

import cohere
from cohere.core.api_error import ApiError

given = json.loads(sys.argv[1])
query, documents = given["query"], given["documents"]


def clients(url, key=given["key"]):
    return cohere.Client(key, base_url=url), cohere.ClientV2(key, base_url=url)


def error(call):
    try:
        call()
    except ApiError as raised:
        return {"type": type(raised).__name__, "status": raised.status_code, "message": raised.body["message"]}
    return None


def ranked(response):
    return [[result.index, result.relevance_score] for result in response.results]


def told(response):
    return {
        "version": response.meta.api_version.version,
        "units": response.meta.billed_units.search_units,
        "id": type(response.id).__name__,
    }


v1, v2 = clients(given["url"])
wrong_v1, wrong_v2 = clients(given["url"], "wrong")
strict_v1, strict_v2 = clients(given["strict_url"])
busy_v1, busy_v2 = clients(given["busy_url"])
objects = [{"title": f"T{index}", "text": text} for index, text in enumerate(documents)]
many = ["a"] * given["too_many"]

first = v1.rerank(model="rerank-english-v3.0", query=query, documents=documents)
returned = v1.rerank(query=query, documents=objects, rank_fields=["text"], return_documents=True, top_n=2)
second = v2.rerank(model="rerank-v3.5", query=query, documents=documents)
best = v2.rerank(model="rerank-v3.5", query=query, documents=documents, top_n=2, max_tokens_per_doc=4096)

print(
    json.dumps(
        {
            "v1": ranked(first),
            "v1_told": told(first),
            "v1_documents": [result.document for result in first.results],
            "v1_returned": [[result.index, result.document.dict()] for result in returned.results],
            "v2": ranked(second),
            "v2_told": told(second),
            "v2_best": ranked(best),
            "retried_v1": ranked(busy_v1.rerank(query=query, documents=documents)),
            "retried_v2": ranked(busy_v2.rerank(model="m", query=query, documents=documents)),
            "errors": {
                "empty_v1": error(lambda: v1.rerank(query=query, documents=[])),
                "empty_v2": error(lambda: v2.rerank(model="m", query=query, documents=[])),
                "many_v1": error(lambda: v1.rerank(query=query, documents=many)),
                "many_v2": error(lambda: v2.rerank(model="m", query=query, documents=many)),
                "key_v1": error(lambda: wrong_v1.rerank(query=query, documents=documents)),
                "key_v2": error(lambda: wrong_v2.rerank(model="m", query=query, documents=documents)),
                "model_v1": error(lambda: strict_v1.rerank(model="m", query=query, documents=documents)),
                "model_v2": error(lambda: strict_v2.rerank(model="m", query=query, documents=documents)),
            },
        }
    )
)
