"""The openai and cohere packages against the mesh at the URL given as the only argument."""

import asyncio
import base64
import sys

import cohere
import numpy as np
import openai

URL = sys.argv[1]
MODEL = "all-MiniLM-L6-v2"
TEXTS = ["one", "two words", "and a third one"]


def check_openai() -> np.ndarray:
    client = openai.OpenAI(base_url=f"{URL}/v1", api_key="none", max_retries=0)
    answer = client.embeddings.create(model=MODEL, input=TEXTS)
    vectors = np.array([item.embedding for item in answer.data], dtype=np.float32)
    assert vectors.shape == (3, 384)
    assert [item.index for item in answer.data] == [0, 1, 2]
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == 13
    assert answer.model == f"sentence-transformers/{MODEL}"

    numbers = client.embeddings.create(model=MODEL, input=TEXTS, encoding_format="float")
    for item, vector in zip(numbers.data, vectors):
        assert (np.array(item.embedding, dtype=np.float32) == vector).all()

    ids = client.embeddings.create(model=MODEL, input=[101, 7592, 2088, 102])
    assert ids.usage.prompt_tokens == 4
    short = client.embeddings.create(model=MODEL, input="one", dimensions=16)
    assert abs(np.linalg.norm(short.data[0].embedding) - 1) < 1e-6

    packed = client.embeddings.create(
        model=MODEL,
        input=TEXTS,
        encoding_format="float",
        extra_body={"embed_dtype": "ubinary", "truncate_prompt_tokens": -1},
    )
    bits = np.packbits(vectors > 0, axis=1)
    assert (np.array([item.embedding for item in packed.data]) == bits).all()

    raw = client.embeddings.with_raw_response.create(model=MODEL, input="one")
    assert raw.headers["openai-model"] == f"sentence-transformers/{MODEL}"
    assert raw.parse()._request_id

    assert [model.id for model in client.models.list()] == [f"sentence-transformers/{MODEL}"]
    assert client.models.retrieve(MODEL).object == "model"
    check_openai_errors(client)
    return vectors


def check_openai_errors(client: openai.OpenAI) -> None:
    try:
        client.embeddings.create(model="text-embedding-3-small", input="a")
        raise AssertionError("an unknown model was found")
    except openai.NotFoundError as error:
        assert error.code == "model_not_found" and error.request_id
    try:
        client.embeddings.create(model=MODEL, input="a", dimensions=-1)
        raise AssertionError("-1 dimensions were accepted")
    except openai.BadRequestError as error:
        assert error.type == "invalid_request_error" and error.param == "dimensions"


async def check_async_openai(expected: np.ndarray) -> None:
    async with openai.AsyncOpenAI(base_url=f"{URL}/v1", api_key="none") as client:
        answers = await asyncio.gather(
            *(client.embeddings.create(model=MODEL, input=text) for text in TEXTS)
        )
    for answer, vector in zip(answers, expected):
        assert np.dot(answer.data[0].embedding, vector) > 0.999999


def check_cohere(expected: np.ndarray) -> None:
    client = cohere.ClientV2(api_key="none", base_url=URL)
    answer = client.embed(
        model=MODEL,
        texts=TEXTS,
        input_type="search_document",
        embedding_types=["float", "int8", "uint8", "binary", "ubinary", "base64"],
    )
    embeddings = answer.embeddings
    floats = np.array(embeddings.float_, dtype=np.float32)
    assert np.abs(floats - expected).max() < 1e-6
    bits = np.packbits(floats > 0, axis=1)
    assert (np.array(embeddings.ubinary) == bits).all()
    assert (np.array(embeddings.binary) == bits.astype(int) - 128).all()
    int8 = np.array(embeddings.int8)
    assert int8.min() >= -127 and int8.max() <= 127
    assert (np.array(embeddings.uint8) == int8 + 128).all()
    cosines = (int8 * floats).sum(axis=1) / np.linalg.norm(int8, axis=1)
    assert (cosines > 0.999).all()
    decoded = np.frombuffer(base64.b64decode(embeddings.base64[0]), dtype="<f4")
    assert (decoded == floats[0]).all()
    assert answer.meta.billed_units.input_tokens == 13 and answer.texts == TEXTS

    small = client.embed(
        model=MODEL, texts=["a"], input_type="search_query", output_dimension=64, truncate="START"
    )
    assert len(small.embeddings.float_[0]) == 64

    documents = ["Pizza is baked.", "Paris is the capital of France.", "France borders Spain."]
    ranked = client.rerank(
        model=MODEL, query="What is the capital of France?", documents=documents, top_n=2
    )
    assert [result.index for result in ranked.results] == [1, 2]
    assert 0 <= ranked.results[1].relevance_score <= ranked.results[0].relevance_score <= 1

    try:
        client.embed(model="embed-v4.0", texts=["a"], input_type="search_query")
        raise AssertionError("an unknown model was found")
    except cohere.NotFoundError as error:
        assert "embed-v4.0" in error.body["message"]
    check_cohere_v1(expected, documents)


def check_cohere_v1(expected: np.ndarray, documents: list[str]) -> None:
    client = cohere.Client(api_key="none", base_url=URL)
    floats = client.embed(texts=TEXTS, model=MODEL, input_type="clustering").embeddings
    assert np.abs(np.array(floats) - expected).max() < 1e-6
    ranked = client.rerank(
        model=MODEL,
        query="What is the capital of France?",
        documents=[{"text": document} for document in documents],
        return_documents=True,
    )
    assert ranked.results[0].document.text == documents[1]


vectors = check_openai()
asyncio.run(check_async_openai(vectors))
check_cohere(vectors)
print("all checks passed")
