"""grpcio, with stubs made from our own contract, against the default mesh.

Usage: tei_grpc.py HOST:PORT STUBS, where STUBS is the folder of tei/v1/tei_pb2.py. Runs every check over the blocking and
the asyncio client, and stops at the first failure.
"""

import asyncio
import math
import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status
from google.rpc import error_details_pb2

address, stubs = sys.argv[1:]
sys.path.insert(0, stubs)
from tei.v1 import tei_pb2, tei_pb2_grpc  # noqa: E402

timeout = 60
streamed = 1_000


def refused(call, code):
    try:
        call()
    except grpc.RpcError as error:
        assert error.code() == code, error
        return error
    raise AssertionError("it was not refused")


def check_embed(channel):
    embed = tei_pb2_grpc.EmbedStub(channel)
    response, call = embed.Embed.with_call(tei_pb2.EmbedRequest(inputs="hello world"), timeout=timeout)
    assert len(response.embeddings) == 384
    assert math.isclose(sum(x * x for x in response.embeddings), 1, abs_tol=1e-5)
    assert (response.metadata.compute_chars, response.metadata.compute_tokens) == (11, 4)
    headers = dict(call.initial_metadata())
    assert headers["x-compute-characters"] == "11" and headers["x-compute-tokens"] == "4", headers
    all_tokens = embed.EmbedAll(tei_pb2.EmbedAllRequest(inputs="hello world"), timeout=timeout)
    assert [len(row.embeddings) for row in all_tokens.token_embeddings] == [384] * 4


def check_errors(channel):
    embed = tei_pb2_grpc.EmbedStub(channel)
    error = refused(lambda: embed.Embed(tei_pb2.EmbedRequest(), timeout=timeout), grpc.StatusCode.INVALID_ARGUMENT)
    assert error.details() == "Input validation error: `inputs` cannot be empty"
    bad_request = error_details_pb2.BadRequest()
    details = rpc_status.from_call(error).details
    assert any(detail.Unpack(bad_request) for detail in details)
    assert bad_request.field_violations[0].field == "inputs[0]"
    sparse = lambda: embed.EmbedSparse(tei_pb2.EmbedSparseRequest(inputs="a"), timeout=timeout)
    refused(sparse, grpc.StatusCode.FAILED_PRECONDITION)
    unknown = channel.unary_unary("/tei.v1.Embed/Nothing")
    refused(lambda: unknown(b"", timeout=timeout), grpc.StatusCode.UNIMPLEMENTED)


def check_stream(channel):
    embed = tei_pb2_grpc.EmbedStub(channel)
    texts = ["word " * (1 + index % 20) for index in range(streamed)]
    requests = (tei_pb2.EmbedRequest(inputs=text) for text in texts)
    tokens = [response.metadata.compute_tokens for response in embed.EmbedStream(requests, timeout=timeout)]
    assert tokens == [len(text.split()) + 2 for text in texts]


def check_bad_message(channel):
    embed = tei_pb2_grpc.EmbedStub(channel)
    texts = ["a", "b", "", "c"]
    answers = embed.EmbedStream((tei_pb2.EmbedRequest(inputs=text) for text in texts), timeout=timeout)
    assert len([next(answers), next(answers)]) == 2
    refused(lambda: next(answers), grpc.StatusCode.INVALID_ARGUMENT)


def check_predict_and_rerank(channel):
    predict = tei_pb2_grpc.PredictStub(channel)
    best = predict.Predict(tei_pb2.PredictRequest(inputs="a wonderful day"), timeout=timeout).predictions[0]
    assert best.label == "POSITIVE" and best.score > 0.5
    rerank = tei_pb2_grpc.RerankStub(channel)
    texts = ["stocks fell", "a kitten naps", "the cat sleeps"]
    request = tei_pb2.RerankRequest(query="a sleeping cat", texts=texts, return_text=True)
    ranks = rerank.Rerank(request, timeout=timeout).ranks
    assert [texts[rank.index] for rank in ranks] == [rank.text for rank in ranks]
    assert ranks[-1].text == "stocks fell"
    messages = (tei_pb2.RerankStreamRequest(query="a sleeping cat", text=text) for text in texts)
    answer = rerank.RerankStream(messages, timeout=timeout)
    assert [rank.index for rank in answer.ranks] == [rank.index for rank in ranks]
    assert not any(rank.HasField("text") for rank in answer.ranks)


def check_tokenize(channel):
    tokenize = tei_pb2_grpc.TokenizeStub(channel)
    request = tei_pb2.EncodeRequest(inputs="hello", add_special_tokens=True)
    tokens = tokenize.Tokenize(request, timeout=timeout).tokens
    assert [(token.text, token.special) for token in tokens] == [("[CLS]", True), ("hello", False), ("[SEP]", True)]
    ids = [token.id for token in tokens]
    decoded = tokenize.Decode(tei_pb2.DecodeRequest(ids=ids, skip_special_tokens=True), timeout=timeout)
    assert decoded.text == "hello"
    requests = [tei_pb2.DecodeRequest(ids=ids)] * 3
    answers = [answer.text for answer in tokenize.DecodeStream(iter(requests), timeout=timeout)]
    assert answers == ["[CLS] hello [SEP]"] * 3


def check_health_and_reflection(channel):
    health = health_pb2_grpc.HealthStub(channel)
    for name in ("Info", "Embed", "Predict", "Rerank", "Tokenize"):
        request = health_pb2.HealthCheckRequest(service=f"tei.v1.{name}")
        assert health.Check(request, timeout=timeout).status == health_pb2.HealthCheckResponse.SERVING
    reflected = ProtoReflectionDescriptorDatabase(channel)
    assert "tei.v1.Embed" in reflected.get_services()
    own = tei_pb2.DESCRIPTOR.message_types_by_name
    served = reflected.FindFileContainingSymbol("tei.v1.Embed")
    fields = {message.name: [(field.name, field.number) for field in message.field] for message in served.message_type}
    assert fields == {name: [(field.name, field.number) for field in message.fields] for name, message in own.items()}


async def check_asyncio():
    async with grpc.aio.insecure_channel(address) as channel:
        info = await tei_pb2_grpc.InfoStub(channel).Info(tei_pb2.InfoRequest(), timeout=timeout)
        assert info.max_input_length == 256 and info.model_type == tei_pb2.MODEL_TYPE_EMBEDDING
        embed = tei_pb2_grpc.EmbedStub(channel)
        requests = (tei_pb2.EmbedRequest(inputs=f"text {index}") for index in range(100))
        answers = [answer async for answer in embed.EmbedStream(requests, timeout=timeout)]
        assert len(answers) == 100


checks = [
    *(check_embed, check_errors, check_stream, check_bad_message),
    *(check_predict_and_rerank, check_tokenize, check_health_and_reflection),
]
with grpc.insecure_channel(address) as blocking:
    for check in checks:
        check(blocking)
        print(check.__name__)
asyncio.run(check_asyncio())
print("all checks passed")
