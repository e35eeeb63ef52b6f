"""A trained network as an ONNX graph, from prepared inputs to probabilities or predictions."""

from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from studies.model_files.weights import layers
from studies.trained import Trained

OPSET = 20  # the first that has Gelu
IR_VERSION = 9  # of the file format, with which that came

_OPERATORS = {"relu": "Relu", "tanh": "Tanh", "gelu": "Gelu"}


def as_onnx(trained: Trained, activation: str) -> ModelProto:
    """The graph: its input is ``inputs`` (rows, features).

    Its output is ``probabilities`` (rows, classes), or ``prediction`` (rows, 1) in the target's
    unit. The metadata has the preprocessing as JSON.

    Args:
        trained: the network.
        activation: of its hidden layers.
    """
    target = trained.preprocessing.target
    constants: dict[str, NDArray[np.float32]] = {}
    nodes: list[NodeProto] = []
    before = "inputs"
    found = layers(trained)
    for place, (weight, bias) in enumerate(found):
        names = [f"{place}.weight", f"{place}.bias"]
        constants |= zip(names, (weight, bias), strict=True)
        after = f"{place}.affine"
        nodes.append(helper.make_node("Gemm", [before, *names], [after], transB=1))
        before = after
        if place < len(found) - 1:
            before = f"{place}.activation"
            nodes.append(helper.make_node(_OPERATORS[activation], [after], [before]))
    if target.classes:
        output, width = "probabilities", len(target.classes)
        nodes.append(helper.make_node("Softmax", [before], [output], axis=1))
    else:
        output, width = "prediction", 1
        numbers = {"scale": target.scale, "mean": target.mean}
        constants |= {name: np.array([each], dtype=np.float32) for name, each in numbers.items()}
        nodes.append(helper.make_node("Mul", [before, "scale"], ["scaled"]))
        nodes.append(helper.make_node("Add", ["scaled", "mean"], [output]))
    features = found[0][0].shape[1]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("inputs", TensorProto.FLOAT, ["rows", features])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["rows", width])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="fallline",
        producer_version=version("fallline"),
    )
    helper.set_model_props(model, {"preprocessing": trained.preprocessing.model_dump_json()})
    return model
