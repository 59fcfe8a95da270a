"""Compares our contract with the descriptors inside tritonclient: names, numbers, types, labels, streams.

Usage: triton_contract.py DESCRIPTOR_SET. Prints each difference; what only Triton's model configuration has is none.
"""

import sys

from google.protobuf import descriptor_pb2
from tritonclient.grpc import model_config_pb2, service_pb2


def describe(files):
    """Everything that matters on the wire, by full name."""
    facts = {}

    def add(prefix, message):
        name = f"{prefix}.{message.name}"
        facts[name] = "message"
        for field in message.field:
            oneof = message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else ""
            kind = field.type_name or field.type
            facts[f"{name}.{field.name}"] = (field.number, kind, field.label, oneof)
        for nested in message.nested_type:
            add(name, nested)

    for file in files:
        for message in file.message_type:
            add(file.package, message)
        for enum in file.enum_type:
            for value in enum.value:
                facts[f"{file.package}.{enum.name}.{value.name}"] = value.number
        for service in file.service:
            for method in service.method:
                facts[f"{file.package}.{service.name}/{method.name}"] = (
                    method.input_type,
                    method.output_type,
                    method.client_streaming,
                    method.server_streaming,
                )
    return facts


def to_proto(module):
    proto = descriptor_pb2.FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(proto)
    return proto


with open(sys.argv[1], "rb") as file:
    descriptor_set = descriptor_pb2.FileDescriptorSet.FromString(file.read())
ours = describe(file for file in descriptor_set.file if file.package == "inference")
service = describe([to_proto(service_pb2)])
theirs = {**service, **describe([to_proto(model_config_pb2)])}

differences = [f"{name}: {fact} here, {theirs.get(name)} there" for name, fact in ours.items() if theirs.get(name) != fact]
differences += [f"{name}: missing here" for name in service if name not in ours]
print("\n".join(differences) or f"{len(ours)} facts agree")
sys.exit(1 if differences else 0)
