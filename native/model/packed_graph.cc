#include "model/packed_graph.h"

#include "common/error.h"
#include "runtime/operator_names.h"

namespace crossrank {
namespace {

class PackedGraphBuilder {
 public:
  PackedGraphBuilder(const Architecture& architecture, WeightReader& weights)
      : architecture_(architecture), spec_(architecture.spec), weights_(weights), graph_(weights.file()) {}

  GraphProgram Build() && {
    const GraphWriter::Dim tokens{"tokens", 0};
    for (const char* name : {kInputIds, kPositionIds, kTypeIds})
      graph_.AddInput(name, ElementType::kInt32, {tokens});
    graph_.AddInput(kOffsets, ElementType::kInt32, {{"sequences_plus_1", 0}});
    graph_.AddOutput(kLogits, ElementType::kFloat,
                     {{"sequences", 0}, {"", static_cast<int64_t>(spec_.labels)}});

    if (weights_.Has(architecture_.beyond_last_layer + ".weight")) {
      throw Error(ErrorCode::kModelInvalid, "the weights hold tensor " + architecture_.beyond_last_layer +
                                                ".weight, one layer more than the " +
                                                std::to_string(spec_.layers) + " that config.json describes");
    }
    std::string hidden = Embeddings();
    for (size_t i = 0; i < spec_.layers; i++) hidden = Layer(i, hidden);
    Head(hidden);
    return std::move(graph_).Finish({{"", 17}, {operators::kDomain, 1}});
  }

 private:
  std::string Value(const char* stem) { return stem + std::to_string(values_++); }

  // Gemm without its bias: ours is added by the operator that follows and reads the result anyway.
  std::string Linear(const std::string& module, const std::string& input, size_t rows, size_t columns) {
    const std::string weight = graph_.AddInitializer(weights_.Matrix(module + ".weight", rows, columns));
    const std::string output = Value("linear");
    graph_.AddNode("", "Gemm", {input, weight}, output, {GraphWriter::Int("transB", 1)});
    return output;
  }

  std::string Bias(const std::string& module, size_t size) {
    return graph_.AddInitializer(weights_.Vector(module + ".bias", size));
  }

  std::string FirstTokens(const std::string& hidden) {
    const std::string output = Value("first");
    graph_.AddNode(operators::kDomain, operators::kFirstTokens, {hidden, kOffsets}, output);
    return output;
  }

  void AddTable(std::vector<std::string>& inputs, const std::string& module, size_t rows) {
    WeightReader::Table table = weights_.EmbeddingTable(module + ".weight", rows, spec_.embedding_size);
    inputs.push_back(graph_.AddInitializer(std::move(table.values)));
    inputs.push_back(table.has_scales ? graph_.AddInitializer(std::move(table.scales)) : "");
  }

  std::string Embeddings() {
    const std::string& norm = architecture_.embedding_norm;
    std::vector<std::string> inputs = {kInputIds, kPositionIds, kTypeIds,
                                       graph_.AddInitializer(weights_.Gamma(norm, spec_.embedding_size)),
                                       graph_.AddInitializer(weights_.Beta(norm, spec_.embedding_size))};
    AddTable(inputs, architecture_.words, spec_.vocab_size);
    AddTable(inputs, architecture_.positions, spec_.position_rows);
    if (!architecture_.types.empty()) AddTable(inputs, architecture_.types, spec_.type_vocab_size);
    while (inputs.back().empty()) inputs.pop_back();  // trailing optional inputs are left out
    std::string hidden = Value("hidden");
    graph_.AddNode(operators::kDomain, operators::kEmbeddings, inputs, hidden,
                   {GraphWriter::Float("epsilon", spec_.layer_norm_epsilon)});
    if (architecture_.projection.empty()) return hidden;
    const std::string weight = graph_.AddInitializer(
        weights_.Matrix(architecture_.projection + ".weight", spec_.hidden_size, spec_.embedding_size));
    const std::string projected = Value("hidden");
    graph_.AddNode("", "Gemm", {hidden, weight, Bias(architecture_.projection, spec_.hidden_size)}, projected,
                   {GraphWriter::Int("transB", 1)});
    return projected;
  }

  std::string ResidualNorm(const std::string& linear, const std::string& linear_module,
                           const std::string& residual, const std::string& norm_module) {
    const size_t size = spec_.hidden_size;
    const std::string output = Value("hidden");
    graph_.AddNode(operators::kDomain, operators::kBiasResidualLayerNorm,
                   {linear, Bias(linear_module, size), residual,
                    graph_.AddInitializer(weights_.Gamma(norm_module, size)),
                    graph_.AddInitializer(weights_.Beta(norm_module, size))},
                   output, {GraphWriter::Float("epsilon", spec_.layer_norm_epsilon)});
    return output;
  }

  std::string BiasActivation(const std::string& linear, const std::string& module, size_t size,
                             kernels::Activation activation) {
    const std::string output = Value("activation");
    graph_.AddNode(operators::kDomain, operators::kBiasActivation, {linear, Bias(module, size)}, output,
                   {GraphWriter::Int("activation", static_cast<int64_t>(activation))});
    return output;
  }

  // The head reads the first token of each sequence and nothing else, so the last layer computes keys and
  // values for all tokens but everything after them for the first tokens alone: 5/6 of that layer's work
  // less, the same bits.
  std::string Layer(size_t index, const std::string& hidden) {
    const LayerModules& modules = architecture_.layers[index];
    const size_t size = spec_.hidden_size;
    const bool last = index + 1 == spec_.layers;
    const std::string queried = last ? FirstTokens(hidden) : hidden;
    const std::string query = Linear(modules.query, queried, size, size);
    const std::string key = Linear(modules.key, hidden, size, size);
    const std::string value = Linear(modules.value, hidden, size, size);
    weights_.Vector(modules.key + ".bias", size);  // must be there and fit, but softmax does not see it
    const std::string context = Value("context");
    graph_.AddNode(operators::kDomain, operators::kAttention,
                   {query, key, value, Bias(modules.query, size), Bias(modules.value, size), kOffsets},
                   context,
                   {GraphWriter::Int("heads", static_cast<int64_t>(spec_.heads)),
                    GraphWriter::Int("first_only", last ? 1 : 0)});
    const std::string attended = ResidualNorm(Linear(modules.attention_output, context, size, size),
                                              modules.attention_output, queried, modules.attention_norm);
    const std::string up = Linear(modules.up, attended, spec_.intermediate_size, size);
    const std::string activated =
        BiasActivation(up, modules.up, spec_.intermediate_size, spec_.hidden_activation);
    return ResidualNorm(Linear(modules.down, activated, size, spec_.intermediate_size), modules.down,
                        attended, modules.output_norm);
  }

  void Head(std::string hidden) {
    for (size_t i = 0; i < architecture_.head.size(); i++) {
      const HeadStage& stage = architecture_.head[i];
      const bool last = i + 1 == architecture_.head.size();
      const size_t size = last ? spec_.labels : spec_.hidden_size;
      if (stage.has_activation) {
        hidden = BiasActivation(Linear(stage.linear, hidden, size, spec_.hidden_size), stage.linear, size,
                                stage.activation);
        continue;
      }
      const std::string weight =
          graph_.AddInitializer(weights_.Matrix(stage.linear + ".weight", size, spec_.hidden_size));
      graph_.AddNode("", "Gemm", {hidden, weight, Bias(stage.linear, size)}, kLogits,
                     {GraphWriter::Int("transB", 1)});
    }
  }

  static constexpr const char* kInputIds = operators::kInputIds;
  static constexpr const char* kPositionIds = operators::kPositionIds;
  static constexpr const char* kTypeIds = operators::kTypeIds;
  static constexpr const char* kOffsets = operators::kOffsets;
  static constexpr const char* kLogits = operators::kLogits;

  const Architecture& architecture_;
  const ModelSpec& spec_;
  WeightReader& weights_;
  GraphWriter graph_;
  size_t values_ = 0;
};

}  // namespace

GraphProgram BuildPackedGraph(const Architecture& architecture, WeightReader& weights) {
  return PackedGraphBuilder(architecture, weights).Build();
}

}  // namespace crossrank
