// What the engine knows about a model: read from config.json, checked, never guessed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "model/json.h"
#include "model/pooling.h"

namespace crossrank {

// How a logit becomes a score (sentence-transformers' CrossEncoder rule).
enum class ScoreActivation { kIdentity, kSigmoid };

struct ModelSpec {
  std::string model_type;    // "bert", "xlm-roberta", ...
  std::string architecture;  // "BertForSequenceClassification"
  size_t vocab_size = 0;
  size_t hidden_size = 0;
  size_t embedding_size = 0;  // differs from hidden_size in small ELECTRA models
  size_t layers = 0;
  size_t heads = 0;
  size_t intermediate_size = 0;
  size_t position_rows = 0;
  size_t type_vocab_size = 0;  // 0: the architecture has no token types
  size_t labels = 0;           // values that a sequence gets: scores, or its embedding
  float layer_norm_epsilon = 0;
  kernels::Activation hidden_activation = kernels::Activation::kGeluErf;
  ScoreActivation score_activation = ScoreActivation::kSigmoid;
  std::optional<PoolingRule> pooling;  // of an embedder; a reranker has a head instead
  // RoBERTa counts positions from padding_id + 1 and gives padding tokens, also those spelt in the text,
  // the position padding_id (transformers, create_position_ids_from_input_ids).
  bool positions_follow_padding = false;
  int32_t padding_id = 0;

  // 0 where no position is left after padding_id.
  size_t max_tokens() const {
    const size_t unused = positions_follow_padding ? static_cast<size_t>(padding_id) + 1 : 0;
    return position_rows > unused ? position_rows - unused : 0;
  }
};

// Where an architecture keeps its tensors. A name here is a module: ".weight" and ".bias" follow.
struct LayerModules {
  std::string query, key, value, attention_output, attention_norm, up, down, output_norm;
};

struct HeadStage {
  std::string linear;
  bool has_activation;
  kernels::Activation activation;
};

struct Architecture {
  ModelSpec spec;
  // What encoder tensors start with, such as "bert."; a checkpoint of the encoder alone leaves it out.
  std::string prefix;
  std::string words, positions, types, embedding_norm;
  std::string projection;  // empty where embedding_size equals hidden_size
  std::vector<LayerModules> layers;
  std::string beyond_last_layer;  // a module that must not exist, or config.json says too few layers
  std::vector<HeadStage> head;    // not read where the spec has a pooling
};

// A reranker, or with `pooling` an embedder. Throws kModelUnsupported for what this engine does not know, by
// name, and kModelInvalid for what is wrong.
Architecture DescribeModel(const JsonView& config, const std::optional<PoolingRule>& pooling);

// What exported ONNX graphs, too, need to know of their config.
bool PositionsFollowPadding(const std::string& model_type);
ScoreActivation DefaultScoreActivation(size_t labels);
ScoreActivation ReadScoreActivation(const JsonView& config, size_t labels);

}  // namespace crossrank
