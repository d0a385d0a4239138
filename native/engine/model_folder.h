// The files of a model folder, as a load finds them.
#pragma once

#include <filesystem>
#include <limits>
#include <string>

#include "model/json.h"

namespace crossrank {

// tokenizer_config.json, as far as it changes what the model is given.
struct TokenizerConfig {
  size_t max_tokens = std::numeric_limits<size_t>::max();
  bool cut_left = false;
  bool wants_type_ids = true;
};

std::filesystem::path FilePath(const std::string& folder, const char* name);
bool IsFile(const std::filesystem::path& path);
Json ReadJson(const std::string& folder, const char* name);

// Throws kModelNotFound where there is no folder, or no tokenizer.json in it.
void RequireFolder(const std::string& folder);

TokenizerConfig ReadTokenizerConfig(const std::string& folder);

struct WeightFiles {
  bool safetensors;      // beside a config.json: our own graph, where we know the architecture
  std::string exported;  // path of an exported graph, or empty
};

// Throws kModelNotFound where there is neither, or no config.json to the safetensors.
WeightFiles FindWeights(const std::string& folder);

}  // namespace crossrank
