// Typed access to config.json with errors that name the key.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/kernels.h"
#include "model/json.h"

namespace crossrank {

class ConfigReader {
 public:
  explicit ConfigReader(JsonView config) : config_(config) {}

  // A size between 1 and 2^31 - 1. The form with a default is for keys that transformers itself defaults.
  size_t Size(const char* key) const;
  size_t Size(const char* key, size_t default_value) const;
  int32_t TokenId(const char* key, int32_t default_value) const;
  float Epsilon(const char* key, float default_value) const;
  kernels::Activation Activation(const char* key, const char* default_value) const;
  std::string Text(const char* key, const char* default_value) const;
  // Refuses a config whose key says anything but `expected` (absent is fine).
  void RequireText(const char* key, const char* expected) const;
  void RequireFalse(const char* key) const;

 private:
  bool Has(const char* key) const;
  const JsonView config_;
};

}  // namespace crossrank
