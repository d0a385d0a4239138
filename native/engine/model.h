// A loaded model: tokenizer, layout of a pair, session. Immutable after loading and shared by all lanes.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/cancellation.h"
#include "engine/model_parts.h"
#include "engine/sequence_layout.h"
#include "model/json.h"
#include "model/model_spec.h"
#include "model/precision.h"
#include "runtime/session.h"
#include "tokenizer/tokenizer.h"

namespace crossrank {

struct LoadOptions {
  std::string folder;
  std::vector<std::string> library_paths;  // candidates for ONNX Runtime, best first
  bool library_required = false;           // the user named it: the only one to try
  bool literal_special_tokens = false;     // text that spells "[SEP]" is text
  Precision precision = Precision::kAuto;
  std::optional<PoolingRule> pooling;  // an embedder, whose embeddings are made so; else a reranker
  std::string kernel_level;            // see KernelsOfLevel
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
  size_t layers = 0, hidden_size = 0, intermediate_size = 0, heads = 0, labels = 0, vocab_size = 0,
         max_tokens = 0;
  ScoreActivation activation = ScoreActivation::kSigmoid;
  bool embeds = false;        // labels is then the dimension of an embedding
  bool pools_itself = false;  // an exported embedder whose output is pooled already
  std::string runtime_path, runtime_version;
  Precision precision = Precision::kFp32;  // that runs; of an exported graph, as it was written
  // Which kernels run: the level, and those of matrix products and attention. Why a better level does not.
  std::string kernel_level, linear_kernel, attention_kernel, refused_features;
};

const kernels::KernelTable& KernelsOf(const LoadOptions& options);

// The first of options.library_paths that opens.
const Library& OpenAnyLibrary(const LoadOptions& options);

class Model {
 public:
  // What models are equal by: the files as they are now, and how they are to be read. Throws kModelNotFound,
  // kInvalidArgument or kPrecision.
  static std::string Key(const LoadOptions& options);

  // What is cancelled ends within milliseconds, with any error (a library older than 1.22 creates its session
  // to the end).
  static std::shared_ptr<Model> Load(const LoadOptions& options, Cancellation& cancellation);

  const ModelInfo& info() const { return info_; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  // For who frees it last: that may take 0.1 s.
  std::shared_ptr<const Tokenizer> shared_tokenizer() const { return tokenizer_; }
  const SequenceLayout& layout() const { return *layout_; }
  ScoringSession& session() const { return *session_; }

 private:
  void LoadWeights(const LoadOptions& options, Cancellation& cancellation);
  void LoadPacked(const LoadOptions& options, const Json& config, Cancellation& cancellation);
  void NoteKernels(const kernels::KernelTable& kernels, const ModelSpec& spec, Precision precision);
  void LoadExported(const LoadOptions& options, const std::string& path, Cancellation& cancellation);

  ModelInfo info_;
  SequenceLayout::Rules rules_{};
  std::string files_key_;
  std::shared_ptr<const Tokenizer> tokenizer_;  // models of the same files share it
  std::unique_ptr<SequenceLayout> layout_;
  std::shared_ptr<ScoringSession> session_;  // models of the same weights share it
};

}  // namespace crossrank
