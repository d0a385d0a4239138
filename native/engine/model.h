// A loaded model: tokenizer, layout of a pair, session. Immutable after loading and shared by all lanes.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/sequence_layout.h"
#include "model/json.h"
#include "model/model_spec.h"
#include "model/safetensors.h"
#include "runtime/session.h"
#include "tokenizer/tokenizer.h"

namespace crossrank {

struct LoadOptions {
  std::string folder;
  std::vector<std::string> library_paths;  // candidates for ONNX Runtime, best first
  bool library_required = false;           // the user named it: the only one to try
  bool literal_special_tokens = false;     // text that spells "[SEP]" is text
};

struct ModelInfo {
  std::string folder;
  std::string model_type;
  std::string architecture;
  bool packed = true;  // our own graph; false: an exported .onnx on the padded path
  size_t parameters = 0;
  size_t weight_bytes = 0;  // that the loaded model holds: fp32 matrices, tables as stored
  size_t layers = 0, hidden_size = 0, heads = 0, labels = 0, vocab_size = 0, max_tokens = 0;
  ScoreActivation activation = ScoreActivation::kSigmoid;
  std::string runtime_path, runtime_version;
};

class Model {
 public:
  static std::shared_ptr<Model> Load(const LoadOptions& options);

  const ModelInfo& info() const { return info_; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  const SequenceLayout& layout() const { return *layout_; }
  ScoringSession& session() { return *session_; }

 private:
  void LoadWeights(const LoadOptions& options);
  void LoadPacked(const LoadOptions& options, const Json& config);
  void LoadExported(const LoadOptions& options, const std::string& path);

  ModelInfo info_;
  SequenceLayout::Rules rules_{};
  std::optional<TensorSet> weights_;  // mapped: the session reads embeddings from it
  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<SequenceLayout> layout_;
  std::unique_ptr<ScoringSession> session_;
};

}  // namespace crossrank
