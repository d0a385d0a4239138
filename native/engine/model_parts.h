// What models of one process share: the weights of the same files in the same precision (a session, whose
// packed matrices are nowhere twice) and the tokenizer of the same file. The last model to go frees them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/cancellation.h"
#include "common/left_behind.h"
#include "model/safetensors.h"
#include "runtime/session.h"
#include "tokenizer/tokenizer.h"

namespace crossrank {

struct LoadedWeights {
  std::optional<TensorSet>
      tensors;  // mapped: the session reads embeddings from it; an exported graph has none
  std::unique_ptr<ScoringSession> session;
  size_t parameters = 0, bytes = 0;
};

// What identifies the files of a model folder: another file, size or time of change is another model.
std::string FilesKey(const std::string& folder);

// The weights that are loaded under `key`, or what `load` returns. Thread-safe.
std::shared_ptr<LoadedWeights> ShareWeights(const std::string& key, Cancellation& cancellation,
                                            const std::function<std::shared_ptr<LoadedWeights>()>& load);

// Parsing takes up to 0.7 s of Rust code that nothing interrupts: it goes on by itself when its load ends.
using PendingTokenizer = LeftBehind<std::shared_ptr<const Tokenizer>>;
PendingTokenizer LoadTokenizer(const std::string& files_key, const std::string& path,
                               bool literal_special_tokens);

}  // namespace crossrank
