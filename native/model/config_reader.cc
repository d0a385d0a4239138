#include "model/config_reader.h"

#include <cmath>
#include <limits>

#include "common/error.h"

namespace crossrank {
namespace {

Error Invalid(const char* key, const char* expected) {
  return Error(ErrorCode::kModelInvalid, std::string("config.json: ") + key + " must be " + expected +
                                             "; is this the model's own config.json?");
}

}  // namespace

bool ConfigReader::Has(const char* key) const { return config_.has(key) && !config_[key].isNull(); }

size_t ConfigReader::Size(const char* key) const {
  if (!Has(key)) throw Invalid(key, "present");
  const JsonView value = config_[key];
  if (!value.isNumber()) throw Invalid(key, "a positive integer");
  const double number = value.number();
  if (!(number >= 1 && number <= std::numeric_limits<int32_t>::max() && number == std::floor(number))) {
    throw Invalid(key, "a positive integer");
  }
  return static_cast<size_t>(number);
}

size_t ConfigReader::Size(const char* key, size_t default_value) const {
  return Has(key) ? Size(key) : default_value;
}

int32_t ConfigReader::TokenId(const char* key, int32_t default_value) const {
  if (!Has(key)) return default_value;
  const JsonView value = config_[key];
  if (!value.isNumber()) throw Invalid(key, "a token id");
  const double number = value.number();
  if (!(number >= 0 && number <= std::numeric_limits<int32_t>::max() - 1 && number == std::floor(number))) {
    throw Invalid(key, "a token id");
  }
  return static_cast<int32_t>(number);
}

float ConfigReader::Epsilon(const char* key, float default_value) const {
  if (!Has(key)) return default_value;
  const JsonView value = config_[key];
  if (!value.isNumber() || !(value.number() > 0 && value.number() < 1)) {
    throw Invalid(key, "a number between 0 and 1");
  }
  return static_cast<float>(value.number());
}

std::string ConfigReader::Text(const char* key, const char* default_value) const {
  if (!Has(key)) return default_value;
  const JsonView value = config_[key];
  if (!value.isString()) throw Invalid(key, "a string");
  return std::string(value.string());
}

kernels::Activation ConfigReader::Activation(const char* key, const char* default_value) const {
  const std::string name = Text(key, default_value);
  if (name == "gelu") return kernels::Activation::kGeluErf;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh") return kernels::Activation::kGeluTanh;
  if (name == "relu") return kernels::Activation::kRelu;
  throw Error(ErrorCode::kModelUnsupported,
              std::string("config.json: ") + key + " \"" + name +
                  "\" is not supported; known are gelu, gelu_new, gelu_pytorch_tanh, relu");
}

void ConfigReader::RequireText(const char* key, const char* expected) const {
  const std::string value = Text(key, expected);
  if (value != expected) {
    throw Error(ErrorCode::kModelUnsupported, std::string("config.json: ") + key + " \"" + value +
                                                  "\" is not supported; known is \"" + expected + "\"");
  }
}

void ConfigReader::RequireFalse(const char* key) const {
  if (!Has(key)) return;
  const JsonView value = config_[key];
  if (!value.isBoolean() || value.boolean()) {
    throw Error(ErrorCode::kModelUnsupported, std::string("config.json: ") + key + " is not supported");
  }
}

}  // namespace crossrank
