// How the hidden states of a text's tokens become its one embedding.
#pragma once

#include <cstdint>
#include <string>

namespace crossrank {

enum class Pooling : int32_t {
  kCls = 0,   // the first token
  kMean = 1,  // of all tokens, special ones included
  kLast = 2,  // the last token
};

struct PoolingRule {
  Pooling pooling = Pooling::kMean;
  bool normalize = false;  // to length 1

  // What tells embedders of the same files apart.
  std::string key() const {
    return "pooling " + std::to_string(static_cast<int>(pooling)) + (normalize ? " normalized" : "");
  }
};

}  // namespace crossrank
