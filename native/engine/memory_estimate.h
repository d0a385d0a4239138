// What a model will hold in memory, told from its files before it is loaded.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "common/cancellation.h"
#include "engine/engine.h"
#include "engine/model.h"

namespace crossrank {

struct MemoryEstimate {
  // Models that name the same part share it.
  struct Part {
    std::string key;
    size_t bytes = 0;
  };
  Part weights, tokenizer;
  size_t lanes = 0;    // working memory of all lanes
  size_t loading = 0;  // more that is held only while it loads

  size_t total() const { return weights.bytes + tokenizer.bytes + lanes + loading; }
};

// An upper bound within reason: 1.1 to 3 times what models of 23 to 560 M parameters were measured to take at
// most (test/memory-budget.test.ts); what does not depend on the weights counts most in small ones. Reads
// config.json and the headers of the weights; throws what Model::Load would throw for them.
MemoryEstimate EstimateMemory(const LoadOptions& load, const EngineOptions& engine,
                              Cancellation& cancellation);

// What models hold together that are in memory at once.
size_t TotalMemory(const std::vector<const MemoryEstimate*>& models);

}  // namespace crossrank
