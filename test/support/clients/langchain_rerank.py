"""Document compressors of LangChain for Jina and Voyage; prints what they got as JSON."""

import json
import sys
import warnings

warnings.simplefilter("ignore")

from langchain_community.document_compressors import jina_rerank
from langchain_core.documents import Document
from langchain_voyageai import VoyageAIRerank

given = json.loads(sys.argv[1])
url, key, query = given["url"], given["key"], given["query"]
documents = [Document(page_content=text, metadata={"at": at}) for at, text in enumerate(given["documents"])]


def ranked(compressed):
    return [[document.metadata["at"], document.metadata["relevance_score"]] for document in compressed]


def jina(api_key, **options):
    return jina_rerank.JinaRerank(jina_api_key=api_key, **options)


def error(call):
    try:
        call()
    except RuntimeError as raised:
        return str(raised)
    return None


def to_jina(server, call):
    jina_rerank.JINA_API_URL = f"{server}/v1/rerank"
    return call()


print(
    json.dumps(
        {
            "jina": to_jina(url, lambda: ranked(jina(key, top_n=None).compress_documents(documents, query))),
            "jina_best": to_jina(url, lambda: ranked(jina(key, top_n=2).compress_documents(documents, query))),
            "jina_objects": to_jina(
                url, lambda: jina(key).rerank([{"text": text} for text in given["documents"]], query, top_n=1)
            ),
            "jina_errors": {
                "key": to_jina(url, lambda: error(lambda: jina("wrong").rerank(documents, query))),
                "model": to_jina(given["strict_url"], lambda: error(lambda: jina(key).rerank(documents, query))),
                "many": to_jina(url, lambda: error(lambda: jina(key).rerank(["a"] * given["too_many"], query))),
            },
            "voyage": ranked(
                VoyageAIRerank(model="rerank-2", api_key=key, base_url=f"{url}/v1", top_k=2).compress_documents(
                    documents, query
                )
            ),
        }
    )
)
