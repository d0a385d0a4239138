"""Writes what a peer needs of a model folder: python convert.py KIND SOURCE TARGET TEXTS. TEXTS is a JSON file of queries
with their documents, [{"query", "documents"}]; they calibrate int8 and are what the reference scores."""

import json
import os
import shutil
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

CALIBRATION_PAIRS = 300  # as many as sentence-transformers takes of its default data set


def load(source, backend, **model_kwargs):
    from sentence_transformers import CrossEncoder

    return CrossEncoder(
        source, backend=backend, device="cpu", max_length=512, local_files_only=True, model_kwargs=model_kwargs
    )


def pairs_of(texts):
    return [(each["query"], document) for each in texts for document in each["documents"]]


def onnx(source, target, _texts):
    load(source, "onnx", export=True).save_pretrained(target)


def onnx_o2(source, target, _texts):
    from sentence_transformers.backend import export_optimized_onnx_model

    model = load(source, "onnx", export=True)
    model.save_pretrained(target)
    export_optimized_onnx_model(model, "O2", target)
    os.remove(f"{target}/onnx/model.onnx")


def onnx_int8(source, target, _texts):
    from sentence_transformers.backend import export_dynamic_quantized_onnx_model

    with open("/proc/cpuinfo", encoding="ascii") as cpu:
        name = "avx512_vnni" if "avx512_vnni" in cpu.read() else "avx2"
    model = load(source, "onnx", export=True)
    model.save_pretrained(target)
    export_dynamic_quantized_onnx_model(model, name, target, file_suffix="qint8")
    os.remove(f"{target}/onnx/model.onnx")


def transformers_js(source, target, _texts):
    """As scripts/convert.py and quantize.py of transformers.js: signed weights, one scale a matrix, `q8`."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    load(source, "onnx", export=True).save_pretrained(target)
    data = f"{target}/onnx/model.onnx_data"
    quantize_dynamic(
        f"{target}/onnx/model.onnx",
        f"{target}/onnx/model_quantized.onnx",
        weight_type=QuantType.QInt8,
        use_external_data_format=False,
        extra_options={"EnableSubgraph": True, "MatMulConstBOnly": True},
    )
    # The library looks for this name where weights lie beside the graph.
    if os.path.exists(f"{target}/onnx/model.onnx.data") and not os.path.exists(data):
        os.rename(f"{target}/onnx/model.onnx.data", data)


def openvino(source, target, _texts):
    load(source, "openvino", export=True).save_pretrained(target)


def openvino_int8(source, target, texts):
    """export_static_quantized_openvino_model with our pairs in place of its data set, which is on a hub."""
    import nncf
    from optimum.intel.openvino import OVConfig, OVQuantizationConfig, OVQuantizer

    model = load(source, "openvino", export=True)
    model.save_pretrained(target)
    quantizer = OVQuantizer.from_pretrained(model.transformers_model)
    encoded = [
        dict(model.tokenizer([query], [document], truncation=True, max_length=512, return_tensors="np"))
        for query, document in pairs_of(texts)[:CALIBRATION_PAIRS]
    ]
    config = OVConfig(quantization_config=OVQuantizationConfig(num_samples=len(encoded)))
    quantizer.quantize(nncf.Dataset(encoded), save_directory=f"{target}/quantized", ov_config=config)
    for ending in ("xml", "bin"):
        shutil.move(
            f"{target}/quantized/openvino/openvino_model.{ending}",
            f"{target}/openvino/openvino_model_qint8_quantized.{ending}",
        )
        os.remove(f"{target}/openvino/openvino_model.{ending}")
    shutil.rmtree(f"{target}/quantized")


def reference(source, target, texts):
    """Logits of the first query's pairs, in float64 from end to end."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=True)
    model = AutoModelForSequenceClassification.from_pretrained(source, local_files_only=True).double().eval()
    logits = []
    with torch.inference_mode():
        for query, document in pairs_of(texts[:1]):
            encoded = tokenizer(query, document, truncation=True, max_length=512, return_tensors="pt")
            logits.append(model(**encoded).logits[0, 0].item())
    os.makedirs(target, exist_ok=True)
    with open(f"{target}/logits.json", "w", encoding="ascii") as file:
        json.dump(logits, file)


KINDS = {
    "onnx": onnx,
    "onnx-o2": onnx_o2,
    "onnx-int8": onnx_int8,
    "transformers-js": transformers_js,
    "openvino": openvino,
    "openvino-int8": openvino_int8,
    "reference": reference,
}

kind, source_folder, target_folder, texts_file = sys.argv[1:]
with open(texts_file, encoding="utf-8") as file:
    KINDS[kind](source_folder, target_folder, json.load(file))
