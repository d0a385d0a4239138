#include "engine/model_folder.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

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

namespace {

// Least loss first: 0 nothing says how it was quantised, 1 half precision, 2 anything narrower.
int LossOf(const std::string& name) {
  const auto has = [&name](const char* part) { return name.find(part) != std::string::npos; };
  for (const char* narrow : {"int8", "quant", "q4", "q8", "bnb", "4bit", "8bit"}) {
    if (has(narrow)) return 2;
  }
  return has("fp16") || has("bf16") || has("float16") ? 1 : 0;
}

// Of graphs of other names than model.onnx: the least lossy, then the one with the shortest name, then the
// first. lib/hub/select-files.ts downloads by the same rule.
std::string BestExported(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator file(folder, error), end; !error && file != end; file.increment(error)) {
    if (file->path().extension() == ".onnx" && IsFile(file->path())) {
      names.push_back(file->path().filename().u8string());
    }
  }
  if (names.empty()) return "";
  const auto rank = [](const std::string& name) { return std::make_tuple(LossOf(name), name.size(), name); };
  const auto better = [&](const std::string& a, const std::string& b) { return rank(a) < rank(b); };
  return (folder / fs::u8path(*std::min_element(names.begin(), names.end(), better))).u8string();
}

std::string FindExported(const std::string& folder) {
  for (const char* name : {"model.onnx", "onnx/model.onnx"}) {
    if (IsFile(FilePath(folder, name))) return FilePath(folder, name).u8string();
  }
  const std::string best = BestExported(fs::u8path(folder));
  return best.empty() ? BestExported(FilePath(folder, "onnx")) : best;
}

}  // namespace

WeightFiles FindWeights(const std::string& folder) {
  WeightFiles found{IsFile(FilePath(folder, "model.safetensors")) ||
                        IsFile(FilePath(folder, "model.safetensors.index.json")),
                    FindExported(folder)};
  if (!found.safetensors && found.exported.empty()) {
    throw Error(ErrorCode::kModelNotFound,
                "the model folder " + folder +
                    " has no weights: model.safetensors, model.safetensors.index.json, model.onnx and "
                    "other .onnx files, here and in onnx/, were "
                    "looked for; pytorch_model.bin is not read (save with safe_serialization=True)");
  }
  if (found.safetensors && !IsFile(FilePath(folder, "config.json"))) {
    throw Error(ErrorCode::kModelNotFound, "the model folder " + folder + " has no config.json");
  }
  return found;
}

}  // namespace crossrank
