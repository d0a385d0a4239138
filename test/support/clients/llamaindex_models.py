"""What LlamaIndex has for text-embeddings-inference and Jina; prints what it got as JSON."""

import asyncio
import json
import sys

from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.embeddings.text_embeddings_inference import TextEmbeddingsInference
from llama_index.postprocessor.jinaai_rerank import JinaRerank
from llama_index.postprocessor.tei_rerank import TextEmbeddingInference

given = json.loads(sys.argv[1])
url, key, query, documents = given["url"], given["key"], given["query"], given["documents"]


def ranked(postprocessor):
    nodes = [NodeWithScore(node=TextNode(text=text, id_=str(at)), score=0) for at, text in enumerate(documents)]
    best = postprocessor.postprocess_nodes(nodes, query_bundle=QueryBundle(query))
    return [[int(each.node.node_id), each.score] for each in best]


def tei(**options):
    return TextEmbeddingInference(base_url=url, auth_token=f"Bearer {key}", **options)


def jina(base_url=url, api_key=key):
    return JinaRerank(base_url=f"{base_url}/v1", api_key=api_key, model="jina-reranker-v2", top_n=2)


def error(call):
    try:
        call()
    except RuntimeError as raised:
        return str(raised)
    return None


embeddings = TextEmbeddingsInference(model_name="none", base_url=url, auth_token=key)

print(
    json.dumps(
        {
            "embeddings": embeddings.get_text_embedding_batch(documents),
            "one": embeddings.get_query_embedding(documents[0]),
            "later": asyncio.run(embeddings.aget_text_embedding_batch(documents)),
            "tei": ranked(tei(top_n=len(documents))),
            "tei_best": ranked(tei(top_n=2)),
            "jina": ranked(jina()),
            "jina_errors": {
                "key": error(lambda: ranked(jina(api_key="wrong"))),
                "model": error(lambda: ranked(jina(given["strict_url"]))),
            },
        }
    )
)
