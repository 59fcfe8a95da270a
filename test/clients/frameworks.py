"""The embeddings of LangChain and LlamaIndex against the mesh at the URL given as the only argument."""

import asyncio
import sys

from langchain_huggingface import HuggingFaceEndpointEmbeddings
from llama_index.embeddings.text_embeddings_inference import TextEmbeddingsInference

URL = sys.argv[1]
TEXTS = ["one", "two words", "and a third one"]


def dot(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b))


def check(documents: list[list[float]], query: list[float]) -> None:
    assert [len(vector) for vector in documents] == [384, 384, 384]
    assert all(abs(dot(vector, vector) - 1) < 1e-5 for vector in documents)
    assert dot(documents[1], query) > 0.99999 > dot(documents[0], query)


async def check_langchain() -> None:
    embeddings = HuggingFaceEndpointEmbeddings(model=URL)
    check(embeddings.embed_documents(TEXTS), embeddings.embed_query(TEXTS[1]))
    check(await embeddings.aembed_documents(TEXTS), await embeddings.aembed_query(TEXTS[1]))


async def check_llama_index() -> None:
    embeddings = TextEmbeddingsInference(model_name="all-MiniLM-L6-v2", base_url=URL)
    documents = embeddings.get_text_embedding_batch(TEXTS)
    check(documents, embeddings.get_text_embedding(TEXTS[1]))
    # Queries and texts get an instruction before them only where the model's name is known to need one.
    query = await embeddings.aget_query_embedding(TEXTS[1])
    assert len(query) == 384
    check(await embeddings.aget_text_embedding_batch(TEXTS), documents[1])


asyncio.run(check_langchain())
asyncio.run(check_llama_index())
print("all checks passed")
