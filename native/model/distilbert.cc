// DistilBERT (Sanh et al. 2019): BERT's encoder without token types, with names and config keys of its own.
#include "common/error.h"
#include "model/architectures.h"
#include "model/config_reader.h"

namespace crossrank {

Architecture DescribeDistilBert(const JsonView& config) {
  const ConfigReader reader(config);
  Architecture out;
  ModelSpec& spec = out.spec;
  spec.vocab_size = reader.Size("vocab_size");
  spec.hidden_size = reader.Size("dim");
  spec.embedding_size = spec.hidden_size;
  spec.layers = reader.Size("n_layers");
  spec.heads = reader.Size("n_heads");
  spec.intermediate_size = reader.Size("hidden_dim");
  spec.position_rows = reader.Size("max_position_embeddings", 512);
  spec.layer_norm_epsilon = 1e-12f;  // fixed in transformers' modeling_distilbert
  spec.hidden_activation = reader.Activation("activation", "gelu");
  spec.padding_id = reader.TokenId("pad_token_id", 0);

  out.prefix = "distilbert.";
  out.words = "distilbert.embeddings.word_embeddings";
  out.positions = "distilbert.embeddings.position_embeddings";
  out.embedding_norm = "distilbert.embeddings.LayerNorm";
  const std::string layer_prefix = "distilbert.transformer.layer.";
  out.beyond_last_layer = layer_prefix + std::to_string(spec.layers) + ".attention.q_lin";
  for (size_t i = 0; i < spec.layers; i++) {
    const std::string layer = layer_prefix + std::to_string(i);
    out.layers.push_back({layer + ".attention.q_lin", layer + ".attention.k_lin", layer + ".attention.v_lin",
                          layer + ".attention.out_lin", layer + ".sa_layer_norm", layer + ".ffn.lin1",
                          layer + ".ffn.lin2", layer + ".output_layer_norm"});
  }
  out.head = {{"pre_classifier", true, kernels::Activation::kRelu}, {"classifier", false, {}}};
  return out;
}

}  // namespace crossrank
