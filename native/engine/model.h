// A loaded model: tokenizer, layout of a pair, session. Immutable after loading and shared by all lanes.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/sequence_layout.h"
#include "model/json.h"
#include "model/model_spec.h"
#include "model/precision.h"
#include "model/safetensors.h"
#include "runtime/session.h"
#include "tokenizer/tokenizer.h"

namespace crossrank {

struct LoadOptions {
  std::string folder;
  std::vector<std::string> library_paths;  // candidates for ONNX Runtime, best first
  bool library_required = false;           // the user named it: the only one to try
  bool literal_special_tokens = false;     // text that spells "[SEP]" is text
  Precision precision = Precision::kAuto;
  std::string kernel_level;  // see KernelsOfLevel
  // In place of kernel_level: for tests of kernels that this CPU is not offered.
  const kernels::KernelTable* kernels = nullptr;
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
  Precision precision = Precision::kFp32;  // that runs; of an exported graph, as it was written
  // Which kernels run: the level, and those of matrix products and attention. Why a better level does not.
  std::string kernel_level, linear_kernel, attention_kernel, refused_features;
};

class Model {
 public:
  static std::shared_ptr<Model> Load(const LoadOptions& options);

  const ModelInfo& info() const { return info_; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  const SequenceLayout& layout() const { return *layout_; }
  ScoringSession& session() const { return *session_; }

 private:
  void LoadWeights(const LoadOptions& options);
  void LoadPacked(const LoadOptions& options, const Json& config);
  void NoteKernels(const kernels::KernelTable& kernels, const ModelSpec& spec, Precision precision);
  void LoadExported(const LoadOptions& options, const std::string& path);

  ModelInfo info_;
  SequenceLayout::Rules rules_{};
  std::optional<TensorSet> weights_;  // mapped: the session reads embeddings from it
  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<SequenceLayout> layout_;
  std::unique_ptr<ScoringSession> session_;
};

}  // namespace crossrank
