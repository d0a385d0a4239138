"""Embeddings by the clients of Voyage and LangChain; prints what they got as JSON."""

import json
import sys
import warnings

warnings.simplefilter("ignore")

import voyageai
from langchain_community.embeddings import jina

given = json.loads(sys.argv[1])
url, key, query, documents = given["url"], given["key"], given["query"], given["documents"]

voyage = voyageai.Client(api_key=key, base_url=f"{url}/v1", max_retries=1)
of_documents = voyage.embed(documents, model="voyage-3.5", input_type="document")
short = voyage.embed([query], model="voyage-3.5", input_type="query", output_dimension=64)
try:
    voyage.embed(documents, model="voyage-3.5", output_dtype="int8")
    refused = None
except voyageai.error.InvalidRequestError as raised:
    refused = raised.user_message

jina.JINA_API_URL = f"{url}/v1/embeddings"
by_jina = jina.JinaEmbeddings(jina_api_key=key).embed_documents(documents)

print(
    json.dumps(
        {
            "documents": of_documents.embeddings,
            "tokens": of_documents.total_tokens,
            "short": short.embeddings[0],
            "refused": refused,
            "jina": by_jina,
        }
    )
)
