"""A trained network to take along: an archive with weights, preprocessing and model card."""

import io
import zipfile
from importlib import resources

from studies.model_files.card import Form, card
from studies.model_files.graph import as_onnx
from studies.model_files.model import Model
from studies.model_files.weights import as_safetensors

__all__ = ["Form", "Model", "archive"]

_MOMENT = (1980, 1, 1, 0, 0, 0)  # the same model gives the same bytes


def archive(model: Model, form: Form) -> bytes:
    """A ZIP of the model card, the preprocessing, code that applies it, and the weights.

    Args:
        model: what to hand out.
        form: of the weights.
    """
    if form == "onnx":
        weights = as_onnx(model.trained, model.spec.model.activation).SerializeToString()
    else:
        weights = as_safetensors(model.trained)
    preprocess = resources.files("studies.model_files").joinpath("preprocess.py").read_bytes()
    preprocessing = model.trained.preprocessing.model_dump_json(indent=2)
    files = {
        "README.md": card(model, form).encode(),
        "preprocessing.json": f"{preprocessing}\n".encode(),
        "preprocess.py": preprocess,
        f"model.{form}": weights,
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archived:
        for name, each in files.items():
            archived.writestr(zipfile.ZipInfo(name, _MOMENT), each)
    return content.getvalue()
