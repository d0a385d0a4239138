"""The document compressor of LangChain for Cohere, which needs an older SDK of it; prints what it got as JSON."""

import json
import sys

import cohere
from langchain_cohere import CohereRerank
from langchain_core.documents import Document

given = json.loads(sys.argv[1])
documents = [Document(page_content=text, metadata={"at": at}) for at, text in enumerate(given["documents"])]
reranker = CohereRerank(model="rerank-v3.5", cohere_api_key=given["key"], base_url=given["url"], top_n=2)
compressed = reranker.compress_documents(documents, given["query"])

try:
    reranker.rerank(["", " "], given["query"])
    refused = None
except cohere.UnprocessableEntityError as raised:
    refused = raised.body["message"]

print(
    json.dumps(
        {
            "best": [[document.metadata["at"], document.metadata["relevance_score"]] for document in compressed],
            "all": [
                [result["index"], result["relevance_score"]]
                for result in reranker.rerank(documents, given["query"], top_n=None)
            ],
            "refused": refused,
        }
    )
)
