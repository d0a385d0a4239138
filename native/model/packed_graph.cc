#include "model/packed_graph.h"

#include "common/error.h"
#include "runtime/operator_names.h"

namespace crossrank {
namespace {

class PackedGraphBuilder {
 public:
  PackedGraphBuilder(const Architecture& architecture, WeightReader& weights, Precision precision,
                     bool own_products)
      : architecture_(architecture),
        spec_(architecture.spec),
        weights_(weights),
        precision_(precision),
        own_products_(own_products),
        format_(FormatOf(precision)),
        graph_(weights.file()) {}

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
    if (own_products_) {
      FusedLayers(hidden);
    } else {
      for (size_t i = 0; i < spec_.layers; i++) hidden = Layer(i, hidden);
    }
    spec_.pooling ? Pool(hidden) : Head(hidden);
    GraphProgram program = std::move(graph_).Finish({{"", 17}, {operators::kDomain, 1}});
    program.linears = std::move(linears_);
    program.packing = std::move(packing_);
    return program;
  }

 private:
  static GraphWriter::Attribute Int(const char* name, size_t value) {
    return GraphWriter::Int(name, static_cast<int64_t>(value));
  }

  std::string Value(const char* stem) { return stem + std::to_string(values_++); }

  // Gemm without its bias: ours is added by the operator that follows and reads the result anyway.
  std::string Linear(const std::string& module, const std::string& input, size_t rows, size_t columns) {
    const std::string weight = graph_.AddInitializer(weights_.Matrix(module + ".weight", rows, columns));
    const std::string output = Value("linear");
    graph_.AddNode("", "Gemm", module, {input, weight}, {output}, {GraphWriter::Int("transB", 1)});
    return output;
  }

  std::string Bias(const std::string& module, size_t size) {
    return graph_.AddInitializer(weights_.Vector(module + ".bias", size));
  }

  // Whether what follows the encoder reads one token of each sequence and nothing else, as a head does. Then
  // the last layer computes keys and values for all tokens but everything after them for that token alone:
  // 5/6 of that layer's work less, the same bits.
  bool ReadsOneToken() const { return !spec_.pooling || spec_.pooling->pooling != Pooling::kMean; }

  bool IsNarrow(size_t layer) const { return layer + 1 == spec_.layers && ReadsOneToken(); }

  std::string OneToken(const std::string& hidden) {
    const bool last = spec_.pooling && spec_.pooling->pooling == Pooling::kLast;
    const std::string output = Value("token");
    graph_.AddNode(operators::kDomain, operators::kOneToken, output, {hidden, kOffsets}, {output},
                   {Int("last", last ? 1 : 0)});
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
    graph_.AddNode(operators::kDomain, operators::kEmbeddings, architecture_.words, inputs, {hidden},
                   {GraphWriter::Float("epsilon", spec_.layer_norm_epsilon)});
    if (architecture_.projection.empty()) return hidden;
    const std::string weight = graph_.AddInitializer(
        weights_.Matrix(architecture_.projection + ".weight", spec_.hidden_size, spec_.embedding_size));
    const std::string projected = Value("hidden");
    graph_.AddNode("", "Gemm", architecture_.projection,
                   {hidden, weight, Bias(architecture_.projection, spec_.hidden_size)}, {projected},
                   {GraphWriter::Int("transB", 1)});
    return projected;
  }

  std::string ResidualNorm(const std::string& linear, const std::string& linear_module,
                           const std::string& residual, const std::string& norm_module) {
    const size_t size = spec_.hidden_size;
    const std::string output = Value("hidden");
    graph_.AddNode(operators::kDomain, operators::kBiasResidualLayerNorm, norm_module,
                   {linear, Bias(linear_module, size), residual,
                    graph_.AddInitializer(weights_.Gamma(norm_module, size)),
                    graph_.AddInitializer(weights_.Beta(norm_module, size))},
                   {output}, {GraphWriter::Float("epsilon", spec_.layer_norm_epsilon)});
    return output;
  }

  std::string BiasActivation(const std::string& linear, const std::string& module, size_t size,
                             kernels::Activation activation) {
    const std::string output = Value("activation");
    graph_.AddNode(operators::kDomain, operators::kBiasActivation, module + ".activation",
                   {linear, Bias(module, size)}, {output},
                   {GraphWriter::Int("activation", static_cast<int64_t>(activation))});
    return output;
  }

  std::string Layer(size_t index, const std::string& hidden) {
    const LayerModules& modules = architecture_.layers[index];
    const size_t size = spec_.hidden_size;
    const bool narrow = IsNarrow(index);
    const std::string queried = narrow ? OneToken(hidden) : hidden;
    const std::string query = Linear(modules.query, queried, size, size);
    const std::string key = Linear(modules.key, hidden, size, size);
    const std::string value = Linear(modules.value, hidden, size, size);
    weights_.Vector(modules.key + ".bias", size);  // must be there and fit, but softmax does not see it
    const std::string context = Value("context");
    graph_.AddNode(operators::kDomain, operators::kAttention, AttentionName(modules),
                   {query, key, value, Bias(modules.query, size), Bias(modules.value, size), kOffsets},
                   {context}, AttentionAttributes(narrow, 0, 0));
    const std::string attended = ResidualNorm(Linear(modules.attention_output, context, size, size),
                                              modules.attention_output, queried, modules.attention_norm);
    const std::string up = Linear(modules.up, attended, spec_.intermediate_size, size);
    const std::string activated =
        BiasActivation(up, modules.up, spec_.intermediate_size, spec_.hidden_activation);
    return ResidualNorm(Linear(modules.down, activated, size, spec_.intermediate_size), modules.down,
                        attended, modules.output_norm);
  }

  static std::string AttentionName(const LayerModules& modules) { return modules.query + " (attention)"; }

  // k_column and v_column: where keys and values start in a tensor that holds more.
  std::vector<GraphWriter::Attribute> AttentionAttributes(bool one_query, size_t k_column, size_t v_column) {
    return {Int("heads", spec_.heads), Int("head_size", spec_.hidden_size / spec_.heads),
            Int("k_column", k_column), Int("v_column", v_column), Int("one_query", one_query ? 1 : 0)};
  }

  // ---- Products of our own: activations travel as encoded rows, beside the fp32 rows that residuals add up.

  // A weight of several modules that read the same rows: their outputs end to end. Returns its index.
  GraphWriter::Attribute Pack(std::initializer_list<std::string> modules, size_t rows, size_t columns,
                              bool with_bias = true) {
    linears_.emplace_back(format_, modules.size() * rows, columns);
    size_t first = 0;
    for (const std::string& module : modules) {
      packing_.push_back(weights_.Packing(module, rows, columns, with_bias, linears_.back(), first));
      first += rows;
    }
    weights_.CountPacked(linears_.back().bytes());
    return Int("linear", linears_.size() - 1);
  }

  GraphWriter::Attribute FormatAttribute(kernels::Format format) {
    return GraphWriter::Int("format", static_cast<int64_t>(format));
  }

  std::string Encode(const std::string& x) {
    const std::string output = Value("rows");
    graph_.AddNode(operators::kDomain, operators::kEncode, output, {x}, {output}, {FormatAttribute(format_)});
    return output;
  }

  std::string LinearRows(const std::string& name, const std::string& rows, GraphWriter::Attribute linear,
                         int64_t activation, kernels::Format format) {
    const std::string output = Value("rows");
    graph_.AddNode(operators::kDomain, operators::kLinearRows, name, {rows}, {output},
                   {linear, GraphWriter::Int("activation", activation), FormatAttribute(format)});
    return output;
  }

  std::string LinearFloat(const std::string& name, const std::string& rows, GraphWriter::Attribute linear) {
    const std::string output = Value("linear");
    graph_.AddNode(operators::kDomain, operators::kLinearFloat, name, {rows}, {output}, {linear});
    return output;
  }

  struct Hidden {
    std::string values, rows;  // the same in fp32 and encoded
  };

  Hidden LinearNorm(const std::string& module, const std::string& rows, GraphWriter::Attribute linear,
                    const std::string& residual, const std::string& norm_module) {
    const Hidden output{Value("hidden"), Value("rows")};
    graph_.AddNode(operators::kDomain, operators::kLinearNorm, module,
                   {rows, residual, graph_.AddInitializer(weights_.Gamma(norm_module, spec_.hidden_size)),
                    graph_.AddInitializer(weights_.Beta(norm_module, spec_.hidden_size))},
                   {output.values, output.rows},
                   {linear, GraphWriter::Float("epsilon", spec_.layer_norm_epsilon)});
    return output;
  }

  // Query, key and value are one product; in a narrow layer key and value are.
  std::string Context(const LayerModules& modules, const Hidden& hidden, const Hidden& queried, bool narrow) {
    const size_t size = spec_.hidden_size;
    const bool fp32 = AttendsInFp32(spec_, precision_);
    std::string query, keys;
    const auto multiply = [&](const std::string& name, const std::string& rows,
                              GraphWriter::Attribute linear) {
      if (fp32) return LinearFloat(name, rows, linear);
      return LinearRows(name, rows, linear, -1, kernels::Format::kBf16);
    };
    if (narrow) {
      query = multiply(modules.query, queried.rows, Pack({modules.query}, size, size, !fp32));
      keys = multiply(modules.key, hidden.rows, Pack({modules.key, modules.value}, size, size, !fp32));
    } else {
      query = keys = multiply(modules.query, hidden.rows,
                              Pack({modules.query, modules.key, modules.value}, size, size, !fp32));
    }
    std::vector<GraphWriter::Attribute> attributes =
        narrow ? AttentionAttributes(true, 0, size) : AttentionAttributes(false, size, 2 * size);
    const std::string context = Value("context");
    if (fp32) {
      graph_.AddNode(operators::kDomain, operators::kAttention, AttentionName(modules),
                     {query, keys, keys, Bias(modules.query, size), Bias(modules.value, size), kOffsets},
                     {context}, attributes);
      return Encode(context);
    }
    attributes.push_back(FormatAttribute(format_));
    graph_.AddNode(operators::kDomain, operators::kAttentionBf16, AttentionName(modules),
                   {query, keys, kOffsets}, {context}, attributes);
    return context;
  }

  void FusedLayers(std::string& values) {
    const size_t size = spec_.hidden_size;
    linears_.reserve(4 * spec_.layers + 1);  // what packs them refers to them
    Hidden hidden{values, Encode(values)};
    for (size_t i = 0; i < spec_.layers; i++) {
      const LayerModules& modules = architecture_.layers[i];
      const bool narrow = IsNarrow(i);
      Hidden queried = hidden;
      if (narrow) {
        queried.values = OneToken(hidden.values);
        queried.rows = Encode(queried.values);
      }
      const std::string context = Context(modules, hidden, queried, narrow);
      const Hidden attended =
          LinearNorm(modules.attention_output, context, Pack({modules.attention_output}, size, size),
                     queried.values, modules.attention_norm);
      const std::string activated =
          LinearRows(modules.up, attended.rows, Pack({modules.up}, spec_.intermediate_size, size),
                     static_cast<int64_t>(spec_.hidden_activation), format_);
      hidden = LinearNorm(modules.down, activated, Pack({modules.down}, size, spec_.intermediate_size),
                          attended.values, modules.output_norm);
    }
    values = hidden.values;
  }

  // ---- The head is fp32 in every precision: it is small, and all of its error would be the score's.

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
      graph_.AddNode("", "Gemm", stage.linear, {hidden, weight, Bias(stage.linear, size)}, {kLogits},
                     {GraphWriter::Int("transB", 1)});
    }
  }

  void Pool(const std::string& hidden) {
    const PoolingRule& rule = *spec_.pooling;
    std::vector<std::string> inputs{hidden};
    if (!ReadsOneToken()) inputs.push_back(kOffsets);
    graph_.AddNode(operators::kDomain, operators::kPool, "pooling", inputs, {kLogits},
                   {GraphWriter::Int("pooling", static_cast<int64_t>(rule.pooling)),
                    Int("normalize", rule.normalize ? 1 : 0)});
  }

  static constexpr const char* kInputIds = operators::kInputIds;
  static constexpr const char* kPositionIds = operators::kPositionIds;
  static constexpr const char* kTypeIds = operators::kTypeIds;
  static constexpr const char* kOffsets = operators::kOffsets;
  static constexpr const char* kLogits = operators::kLogits;

  const Architecture& architecture_;
  const ModelSpec& spec_;
  WeightReader& weights_;
  const Precision precision_;
  const bool own_products_;
  const kernels::Format format_;  // of our own products
  GraphWriter graph_;
  std::vector<kernels::PackedLinear> linears_;
  std::vector<std::function<void()>> packing_;
  size_t values_ = 0;
};

}  // namespace

bool AttendsInFp32(const ModelSpec& spec, Precision precision) {
  const size_t head_size = spec.hidden_size / spec.heads;
  return precision == Precision::kFp32 || precision == Precision::kBf16x3 || head_size % 8 != 0 ||
         head_size > 128;
}

GraphProgram BuildPackedGraph(const Architecture& architecture, WeightReader& weights, Precision precision,
                              const kernels::KernelTable& kernels) {
  return PackedGraphBuilder(architecture, weights, precision, HasOwnProducts(precision, kernels)).Build();
}

}  // namespace crossrank
