"""tritonclient against a mesh that serves `simple`, `simple_string` and the embedding model.

Usage: triton.py HOST:PORT. Runs every check over gRPC and over HTTP, prints their names, and stops at the first failure.
"""

import asyncio
import json
import queue
import sys
import urllib.request

import grpc
import numpy as np
import tritonclient.grpc as triton_grpc
import tritonclient.grpc.aio as triton_grpc_aio
import tritonclient.http as triton_http
import tritonclient.http.aio as triton_http_aio
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

address = sys.argv[1]
embedding = "sentence-transformers/all-MiniLM-L6-v2"
kinds = {"grpc": triton_grpc, "http": triton_http}
ones = np.ones((1, 16), dtype=np.int32)
count = np.arange(16, dtype=np.int32).reshape(1, 16)


def simple_inputs(triton, a=count, b=ones, **options):
    inputs = [triton.InferInput(name, list(a.shape), "INT32") for name in ("INPUT0", "INPUT1")]
    inputs[0].set_data_from_numpy(a, **options)
    inputs[1].set_data_from_numpy(b, **options)
    return inputs


def texts_input(triton, texts, name="text", shape=None, **options):
    data = np.array(texts, dtype=np.object_).reshape(shape or [len(texts)])
    tensor = triton.InferInput(name, list(data.shape), "BYTES")
    tensor.set_data_from_numpy(data, **options)
    return tensor


def ids_inputs(triton, ids):
    rows = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    inputs = [triton.InferInput(name, list(ids.shape), "INT64") for name in rows]
    for tensor, data in zip(inputs, rows.values()):
        tensor.set_data_from_numpy(data)
    return inputs


def assert_simple(result, a=count, b=ones):
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), a + b)
    np.testing.assert_array_equal(result.as_numpy("OUTPUT1"), a - b)


def embed_natively(texts):
    body = json.dumps({"inputs": texts}).encode()
    request = urllib.request.Request(f"http://{address}/embed", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request) as response:
        return np.array(json.load(response), dtype=np.float32)


def fails(call, grpc_code, http_status, words):
    """The call must fail with the client's own exception, this status, and these words."""
    try:
        call()
    except InferenceServerException as error:
        assert error.status() in (f"StatusCode.{grpc_code}", str(http_status)), error
        assert words in error.message(), error
    else:
        raise AssertionError(f"no failure: {words}")


def check_health(kind, triton, client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("simple")
    assert client.is_model_ready("simple", "1")
    assert client.is_model_ready(embedding)
    assert not client.is_model_ready("simple", "99")
    assert not client.is_model_ready("absent")


def check_metadata(kind, triton, client):
    options = {"as_json": True} if kind == "grpc" else {}
    server = client.get_server_metadata(**options)
    assert server["name"] == "arrowmesh" and "statistics" in server["extensions"], server
    model = client.get_model_metadata("simple", "1", **options)
    assert model["platform"] == "onnxruntime_onnx" and model["versions"] == ["1"], model
    assert [(i["name"], i["datatype"], [int(n) for n in i["shape"]]) for i in model["inputs"]] == [
        ("INPUT0", "INT32", [1, 16]),
        ("INPUT1", "INT32", [1, 16]),
    ], model
    text_model = client.get_model_metadata(embedding, **options)
    text = next(i for i in text_model["inputs"] if i["name"] == "text")
    assert text["datatype"] == "BYTES" and [int(n) for n in text["shape"]] == [-1], text
    config = client.get_model_config("simple", **options)
    config = config.get("config", config)
    assert config["backend"] == "onnxruntime" and config["input"][0]["data_type"] == "TYPE_INT32", config


def check_infer(kind, triton, client):
    assert_simple(client.infer("simple", simple_inputs(triton), request_id="7"))
    outputs = [triton.InferRequestedOutput("OUTPUT1")]
    result = client.infer("simple", simple_inputs(triton), model_version="1", outputs=outputs)
    np.testing.assert_array_equal(result.as_numpy("OUTPUT1"), count - ones)
    assert result.as_numpy("OUTPUT0") is None
    assert_simple(client.infer("simple", simple_inputs(triton), priority=2, timeout=5_000_000, parameters={"own": 1}))


def check_typed_contents(kind, triton, client):
    if kind == "grpc":
        with grpc.insecure_channel(address) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            request = service_pb2.ModelInferRequest(model_name="simple", id="typed")
            for name, data in (("INPUT0", count), ("INPUT1", ones)):
                tensor = request.inputs.add(name=name, datatype="INT32", shape=[1, 16])
                tensor.contents.int_contents.extend(int(value) for value in data.flat)
            response = stub.ModelInfer(request)
            assert response.id == "typed" and len(response.raw_output_contents) == 2
            np.testing.assert_array_equal(np.frombuffer(response.raw_output_contents[0], np.int32), (count + ones)[0])
        return
    outputs = [triton.InferRequestedOutput(name, binary_data=False) for name in ("OUTPUT0", "OUTPUT1")]
    result = client.infer("simple", simple_inputs(triton, binary_data=False), outputs=outputs)
    assert "data" in result.get_output("OUTPUT0")
    assert_simple(result)
    mixed = [triton.InferRequestedOutput("OUTPUT0", binary_data=True), outputs[1]]
    assert_simple(client.infer("simple", simple_inputs(triton), outputs=mixed))


def check_compression(kind, triton, client):
    for algorithm in ("gzip", "deflate"):
        options = {"request_compression_algorithm": algorithm, "response_compression_algorithm": algorithm}
        if kind == "grpc":
            options = {"compression_algorithm": algorithm if algorithm == "gzip" else None}
        assert_simple(client.infer("simple", simple_inputs(triton), **options))


def check_strings(kind, triton, client):
    words = [str(number).encode() for number in range(16)]
    result = client.infer("simple_string", [texts_input(triton, words, "INPUT0", [1, 16])])
    assert result.as_numpy("OUTPUT0").flatten().tolist() == words
    if kind == "http":
        outputs = [triton.InferRequestedOutput("OUTPUT0", binary_data=False)]
        tensor = texts_input(triton, words, "INPUT0", [1, 16], binary_data=False)
        result = client.infer("simple_string", [tensor], outputs=outputs)
        assert [str(word).encode() for word in result.as_numpy("OUTPUT0").flatten()] == words


def check_texts(kind, triton, client):
    texts = ["hello", "What is Deep Learning?", "é 漢字 🙂"]
    expected = embed_natively(texts)
    for shape in ([3], [3, 1]):
        result = client.infer(embedding, [texts_input(triton, texts, shape=shape)])
        np.testing.assert_allclose(result.as_numpy("sentence_embedding"), expected, atol=1e-5)
    outputs = [triton.InferRequestedOutput("vector")]
    result = client.infer(embedding, [texts_input(triton, texts, "any")], outputs=outputs, parameters={"dimensions": 64})
    assert result.as_numpy("vector").shape == (3, 64)


def check_ids(kind, triton, client):
    """"hello" as the ids that the tokenizer makes of it gives the vector of the text."""
    inputs = ids_inputs(triton, np.array([[101, 7592, 102]], dtype=np.int64))
    result = client.infer(embedding, inputs, outputs=[triton.InferRequestedOutput("sentence_embedding")])
    vector, expected = result.as_numpy("sentence_embedding")[0], embed_natively(["hello"])[0]
    np.testing.assert_allclose(vector / np.linalg.norm(vector), expected, atol=1e-3)


def check_async(kind, triton, client):
    if kind == "http":
        pending = [client.async_infer("simple", simple_inputs(triton, count + n)) for n in range(8)]
        for n, request in enumerate(pending):
            assert_simple(request.get_result(), count + n)
        return
    done = queue.Queue()
    for n in range(8):
        inputs = simple_inputs(triton, count + n)
        client.async_infer("simple", inputs, lambda result, error, n=n: done.put((n, result, error)))
    for _ in range(8):
        n, result, error = done.get(timeout=30)
        assert error is None, error
        assert_simple(result, count + n)


def check_stream(kind, triton, client):
    if kind == "http":
        return
    answers = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    for n in range(20):
        client.async_stream_infer("absent" if n == 7 else "simple", simple_inputs(triton, count + n), request_id=str(n))
    client.async_stream_infer(embedding, [texts_input(triton, ["hello"])], request_id="text")
    for n in range(20):
        result, error = answers.get(timeout=30)
        if n == 7:
            assert result is None and "absent" in error.message(), error
            continue
        assert error is None, error
        assert result.get_response().id == str(n), n
        assert result.get_response().parameters["triton_final_response"].bool_param
        assert_simple(result, count + n)
    result, error = answers.get(timeout=30)
    assert error is None and result.as_numpy("sentence_embedding").shape == (1, 384), error
    client.stop_stream()


def check_control(kind, triton, client):
    def state_of(name):
        index = client.get_model_repository_index()
        rows = [(m.name, m.state) for m in index.models] if kind == "grpc" else [(m["name"], m["state"]) for m in index]
        return dict(rows)[name]

    assert state_of("simple") == "READY"
    client.unload_model("simple")
    assert state_of("simple") == "UNAVAILABLE"
    assert not client.is_model_ready("simple")
    fails(lambda: client.infer("simple", simple_inputs(triton)), "NOT_FOUND", 404, "simple")
    client.load_model("simple")
    assert state_of("simple") == "READY"
    assert_simple(client.infer("simple", simple_inputs(triton)))
    client.load_model("simple")
    fails(lambda: client.load_model("absent"), "NOT_FOUND", 404, "absent")
    fails(lambda: client.unload_model("absent"), "NOT_FOUND", 404, "absent")
    fails(lambda: client.load_model("simple", config="{}"), "UNIMPLEMENTED", 501, "not supported")


def check_statistics(kind, triton, client):
    def successes():
        if kind == "http":
            stats = client.get_inference_statistics("simple")["model_stats"][0]
            return stats["inference_stats"]["success"]["count"], stats["inference_stats"]["compute_infer"]["ns"]
        stats = client.get_inference_statistics("simple").model_stats[0]
        return stats.inference_stats.success.count, stats.inference_stats.compute_infer.ns

    before, _ = successes()
    assert_simple(client.infer("simple", simple_inputs(triton)))
    after, ns = successes()
    assert after == before + 1 and ns > 0, (before, after, ns)
    every = client.get_inference_statistics()
    names = [m["name"] for m in every["model_stats"]] if kind == "http" else [m.name for m in every.model_stats]
    assert {"simple", embedding} <= set(names), names


def check_errors(kind, triton, client):
    wide = np.ones((1, 17), dtype=np.int32)
    fails(lambda: client.infer("absent", simple_inputs(triton)), "NOT_FOUND", 404, "absent")
    fails(lambda: client.infer("simple", simple_inputs(triton), model_version="9"), "NOT_FOUND", 404, "9")
    fails(lambda: client.infer("simple", simple_inputs(triton, wide, wide)), "INVALID_ARGUMENT", 400, "[1,17]")
    fails(lambda: client.infer("simple", simple_inputs(triton)[:1]), "INVALID_ARGUMENT", 400, "INPUT1")
    outputs = [triton.InferRequestedOutput("OUTPUT9")]
    fails(lambda: client.infer("simple", simple_inputs(triton), outputs=outputs), "INVALID_ARGUMENT", 400, "OUTPUT9")
    fails(lambda: client.infer(embedding, [texts_input(triton, [b"\xff"])]), "INVALID_ARGUMENT", 400, "UTF-8")
    fails(lambda: client.infer(embedding, [texts_input(triton, [""])]), "INVALID_ARGUMENT", 400, "empty")
    fails(lambda: client.get_model_metadata("absent"), "NOT_FOUND", 404, "absent")
    fails(lambda: client.get_model_config("absent"), "NOT_FOUND", 404, "absent")
    slow = ids_inputs(triton, np.full((8, 256), 7592, dtype=np.int64))
    expired = lambda: client.infer(embedding, slow, timeout=2_000)
    fails(expired, "UNAVAILABLE", 503, "Request timeout expired")
    shared = triton.InferInput("INPUT0", [1, 16], "INT32")
    shared.set_shared_memory("region", 64)
    fails(lambda: client.infer("simple", [shared]), "UNIMPLEMENTED", 501, "shared memory")


def check_absent(kind, triton, client):
    status = client.get_system_shared_memory_status()
    assert (len(status.regions) if kind == "grpc" else len(status)) == 0
    status = client.get_cuda_shared_memory_status()
    assert (len(status.regions) if kind == "grpc" else len(status)) == 0
    register = lambda: client.register_system_shared_memory("region", "/region", 64)
    fails(register, "UNIMPLEMENTED", 501, "shared memory")
    fails(client.get_trace_settings, "UNIMPLEMENTED", 501, "trace settings")
    fails(client.get_log_settings, "UNIMPLEMENTED", 501, "log settings")


async def check_asyncio():
    for triton, name in ((triton_grpc_aio, "grpc"), (triton_http_aio, "http")):
        async with triton.InferenceServerClient(address) as client:
            assert await client.is_server_ready()
            answers = [client.infer("simple", simple_inputs(triton, count + n)) for n in range(8)]
            for n, result in enumerate(await asyncio.gather(*answers)):
                assert_simple(result, count + n)
            result = await client.infer(embedding, [texts_input(triton, ["hello"])])
            assert result.as_numpy("sentence_embedding").shape == (1, 384)
        print("asyncio", name)


for kind, triton in kinds.items():
    options = {"concurrency": 4} if kind == "http" else {}
    client = triton.InferenceServerClient(address, **options)
    for name, check in [item for item in globals().items() if item[0].startswith("check_")]:
        if name == "check_asyncio":
            continue
        check(kind, triton, client)
        print(kind, name.removeprefix("check_"))
    client.close()
asyncio.run(check_asyncio())
print("all checks passed")
