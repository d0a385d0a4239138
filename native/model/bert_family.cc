// BERT, RoBERTa, XLM-RoBERTa and ELECTRA: one encoder (Devlin et al. 2018), four heads and two ways to count
// positions.
#include "common/error.h"
#include "model/architectures.h"
#include "model/config_reader.h"

namespace crossrank {
namespace {

using kernels::Activation;

std::string LayerName(const std::string& prefix, size_t index) {
  return prefix + "encoder.layer." + std::to_string(index);
}

std::vector<LayerModules> EncoderLayers(const std::string& prefix, size_t count) {
  std::vector<LayerModules> layers;
  layers.reserve(count);
  for (size_t i = 0; i < count; i++) {
    const std::string layer = LayerName(prefix, i);
    layers.push_back({layer + ".attention.self.query", layer + ".attention.self.key",
                      layer + ".attention.self.value", layer + ".attention.output.dense",
                      layer + ".attention.output.LayerNorm", layer + ".intermediate.dense",
                      layer + ".output.dense", layer + ".output.LayerNorm"});
  }
  return layers;
}

}  // namespace

Architecture DescribeBertFamily(const JsonView& config, const std::string& model_type) {
  const ConfigReader reader(config);
  reader.RequireText("position_embedding_type", "absolute");
  reader.RequireFalse("is_decoder");
  reader.RequireFalse("add_cross_attention");
  const bool roberta = PositionsFollowPadding(model_type);
  const bool electra = model_type == "electra";

  Architecture out;
  ModelSpec& spec = out.spec;
  spec.vocab_size = reader.Size("vocab_size");
  spec.hidden_size = reader.Size("hidden_size");
  spec.embedding_size = electra ? reader.Size("embedding_size", 128) : spec.hidden_size;
  spec.layers = reader.Size("num_hidden_layers");
  spec.heads = reader.Size("num_attention_heads");
  spec.intermediate_size = reader.Size("intermediate_size");
  spec.position_rows = reader.Size("max_position_embeddings", 512);
  spec.type_vocab_size = reader.Size("type_vocab_size", 2);
  spec.layer_norm_epsilon = reader.Epsilon("layer_norm_eps", 1e-12f);
  spec.hidden_activation = reader.Activation("hidden_act", "gelu");
  spec.padding_id = reader.TokenId("pad_token_id", roberta ? 1 : 0);
  spec.positions_follow_padding = roberta;

  out.prefix = roberta ? "roberta." : model_type + ".";
  const std::string& prefix = out.prefix;
  out.words = prefix + "embeddings.word_embeddings";
  out.positions = prefix + "embeddings.position_embeddings";
  out.types = prefix + "embeddings.token_type_embeddings";
  out.embedding_norm = prefix + "embeddings.LayerNorm";
  if (spec.embedding_size != spec.hidden_size) out.projection = prefix + "embeddings_project";
  out.layers = EncoderLayers(prefix, spec.layers);
  out.beyond_last_layer = LayerName(prefix, spec.layers) + ".attention.self.query";

  if (roberta) {
    out.head = {{"classifier.dense", true, Activation::kTanh}, {"classifier.out_proj", false, {}}};
  } else if (electra) {
    // ElectraClassificationHead always uses gelu, whatever hidden_act says.
    out.head = {{"classifier.dense", true, Activation::kGeluErf}, {"classifier.out_proj", false, {}}};
  } else {
    out.head = {{"bert.pooler.dense", true, Activation::kTanh}, {"classifier", false, {}}};
  }
  return out;
}

}  // namespace crossrank
