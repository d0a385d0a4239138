#include "engine/model_folder.h"

#include "common/error.h"
#include "common/mapped_file.h"

namespace crossrank {

namespace fs = std::filesystem;

fs::path FilePath(const std::string& folder, const char* name) { return fs::u8path(folder) / name; }

bool IsFile(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

Json ReadJson(const std::string& folder, const char* name) {
  const MappedFile file(FilePath(folder, name).u8string());
  return Json::Parse(file.data(), file.size(), name);
}

void RequireFolder(const std::string& folder) {
  std::error_code ignored;
  if (!fs::is_directory(fs::u8path(folder), ignored)) {
    throw Error(ErrorCode::kModelNotFound, "there is no model folder at " + folder +
                                               "; pass the path of a folder with config.json, tokenizer.json "
                                               "and model.safetensors (or model.onnx)");
  }
  if (!IsFile(FilePath(folder, "tokenizer.json"))) {
    throw Error(ErrorCode::kModelNotFound, "the model folder " + folder +
                                               " has no tokenizer.json; save one with transformers' "
                                               "AutoTokenizer(...).save_pretrained(folder), or "
                                               "download it with the model");
  }
}

TokenizerConfig ReadTokenizerConfig(const std::string& folder) {
  TokenizerConfig out;
  if (!IsFile(FilePath(folder, "tokenizer_config.json"))) return out;
  const Json json = ReadJson(folder, "tokenizer_config.json");
  const JsonView config = json.root();
  if (!config.isObject()) return out;
  if (config.has("model_max_length") && config["model_max_length"].isNumber()) {
    // transformers writes 1e30 where there is no limit.
    const double limit = config["model_max_length"].number();
    if (limit >= 1 && limit < 1e9) out.max_tokens = static_cast<size_t>(limit);
  }
  if (config.has("truncation_side") && config["truncation_side"].isString()) {
    out.cut_left = config["truncation_side"].string() == "left";
  }
  if (config.has("model_input_names") && config["model_input_names"].isArray()) {
    const JsonView names = config["model_input_names"];
    out.wants_type_ids = false;
    for (size_t i = 0; i < names.size(); i++) {
      if (names.element(i).isString() && names.element(i).string() == "token_type_ids")
        out.wants_type_ids = true;
    }
  }
  return out;
}

WeightFiles FindWeights(const std::string& folder) {
  WeightFiles found{IsFile(FilePath(folder, "model.safetensors")) ||
                        IsFile(FilePath(folder, "model.safetensors.index.json")),
                    ""};
  for (const char* name : {"onnx/model.onnx", "model.onnx"}) {
    if (IsFile(FilePath(folder, name))) found.exported = FilePath(folder, name).u8string();
  }
  if (!found.safetensors && found.exported.empty()) {
    throw Error(ErrorCode::kModelNotFound,
                "the model folder " + folder +
                    " has no weights: model.safetensors, model.safetensors.index.json, model.onnx and "
                    "onnx/model.onnx were "
                    "looked for; pytorch_model.bin is not read (save with safe_serialization=True)");
  }
  if (found.safetensors && !IsFile(FilePath(folder, "config.json"))) {
    throw Error(ErrorCode::kModelNotFound, "the model folder " + folder + " has no config.json");
  }
  return found;
}

}  // namespace crossrank
