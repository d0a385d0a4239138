// Models of one process share their weights: a second load of the same files in the same precision takes the
// session of the first, whose packed matrices are nowhere twice. The last model to go frees them.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "model/safetensors.h"
#include "runtime/session.h"

namespace crossrank {

struct LoadedWeights {
  TensorSet tensors;  // mapped: the session reads embeddings from it
  std::unique_ptr<ScoringSession> session;
  size_t parameters = 0, bytes = 0;
};

// What identifies the files of a model folder: another file, size or time of change is another model.
std::string FilesKey(const std::string& folder);

// The weights that are loaded under `key`, or what `load` returns. Thread-safe; loads of one key wait for
// each other.
std::shared_ptr<LoadedWeights> ShareWeights(const std::string& key,
                                            const std::function<std::shared_ptr<LoadedWeights>()>& load);

}  // namespace crossrank
