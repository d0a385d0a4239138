#include "model/model_spec.h"

#include "common/error.h"
#include "model/architectures.h"
#include "model/config_reader.h"

namespace crossrank {
namespace {

constexpr size_t kMaxHeadSize = 256;  // what the attention kernels take
constexpr size_t kMaxLayers = 1024;

std::string ReadArchitectureName(const JsonView& config) {
  if (!config.has("architectures")) return "";
  const JsonView names = config["architectures"];
  if (!names.isArray() || names.size() == 0 || !names.element(0).isString()) return "";
  return std::string(names.element(0).string());
}

// Where config.json names no architecture, the weights tell.
void CheckTask(const std::string& architecture, bool embeds) {
  if (architecture.empty()) return;
  const std::string ending = "ForSequenceClassification";
  const bool scores = architecture.size() >= ending.size() &&
                      architecture.compare(architecture.size() - ending.size(), ending.size(), ending) == 0;
  if (embeds && scores) {
    throw Error(ErrorCode::kModelUnsupported,
                "config.json: architecture \"" + architecture +
                    "\" is a reranker (cross-encoder), whose states were not trained to be embeddings; load "
                    "it with Reranker.load");
  }
  if (!embeds && !scores) {
    throw Error(ErrorCode::kModelUnsupported,
                "config.json: architecture \"" + architecture +
                    "\" has no classification head; a reranker is a ...ForSequenceClassification model "
                    "(cross-encoder). An embedding model is loaded with Embedder.load");
  }
}

size_t ReadLabels(const JsonView& config) {
  const ConfigReader reader(config);
  if (config.has("id2label") && config["id2label"].isObject()) {
    const size_t labels = config["id2label"].size();
    if (labels == 0) throw Error(ErrorCode::kModelInvalid, "config.json: id2label is empty");
    return labels;
  }
  return reader.Size("num_labels", 2);  // transformers writes neither when there are two
}

// compressed-tensors "int-quantized", one scale a row, is what WeightReader reads; any other scheme is
// refused by name.
void CheckQuantization(const JsonView& config) {
  if (!config.has("quantization_config") || config["quantization_config"].isNull()) return;
  const JsonView scheme = config["quantization_config"];
  if (!scheme.isObject())
    throw Error(ErrorCode::kModelInvalid, "config.json: quantization_config must be an object");
  const ConfigReader reader(scheme);
  const std::string method = reader.Text("quant_method", "");
  const std::string format = reader.Text("format", "");
  if (method != "compressed-tensors" || format != "int-quantized") {
    throw Error(ErrorCode::kModelUnsupported, "config.json: quantization_config \"" + method +
                                                  "\" (format \"" + format +
                                                  "\") is not supported; known is compressed-tensors "
                                                  "int-quantized with 8 bits and one scale a row. "
                                                  "Use the model's unquantised safetensors");
  }
  if (!scheme.has("config_groups") || !scheme["config_groups"].isObject()) return;
  const JsonView groups = scheme["config_groups"];
  for (size_t i = 0; i < groups.size(); i++) {
    const JsonView group = groups.value(i);
    if (!group.isObject() || !group.has("weights") || !group["weights"].isObject()) continue;
    const JsonView weights = group["weights"];
    const bool eight_bits =
        weights.has("num_bits") && weights["num_bits"].isNumber() && weights["num_bits"].number() == 8;
    const bool symmetric =
        !weights.has("symmetric") || (weights["symmetric"].isBoolean() && weights["symmetric"].boolean());
    const ConfigReader weight_reader(weights);
    if (!eight_bits || !symmetric || weight_reader.Text("type", "int") != "int" ||
        weight_reader.Text("strategy", "channel") != "channel") {
      throw Error(ErrorCode::kModelUnsupported,
                  "config.json: quantization_config asks for weights other than symmetric 8-bit integers "
                  "with one scale "
                  "a row (strategy \"channel\"), which is all this version reads");
    }
  }
}

void CheckShape(const ModelSpec& spec) {
  const auto invalid = [](const std::string& what) {
    return Error(ErrorCode::kModelInvalid, "config.json: " + what);
  };
  if (spec.hidden_size % spec.heads != 0) {
    throw invalid("the hidden size " + std::to_string(spec.hidden_size) + " is no multiple of its " +
                  std::to_string(spec.heads) + " attention heads");
  }
  if (spec.hidden_size / spec.heads > kMaxHeadSize) {
    throw Error(ErrorCode::kModelUnsupported,
                "config.json: attention heads of size " + std::to_string(spec.hidden_size / spec.heads) +
                    " are not supported; the limit is " + std::to_string(kMaxHeadSize));
  }
  if (spec.layers > kMaxLayers) throw invalid("more than " + std::to_string(kMaxLayers) + " layers");
  if (spec.max_tokens() == 0) {
    throw invalid("max_position_embeddings leaves no position after pad_token_id");
  }
}

}  // namespace

bool PositionsFollowPadding(const std::string& model_type) {
  return model_type == "roberta" || model_type == "xlm-roberta";
}

ScoreActivation DefaultScoreActivation(size_t labels) {
  return labels == 1 ? ScoreActivation::kSigmoid : ScoreActivation::kIdentity;
}

ScoreActivation ReadScoreActivation(const JsonView& config, size_t labels) {
  std::string name;
  if (config.has("sentence_transformers") && config["sentence_transformers"].isObject()) {
    name = ConfigReader(config["sentence_transformers"]).Text("activation_fn", "");
  }
  if (name.empty()) name = ConfigReader(config).Text("sbert_ce_default_activation_function", "");
  if (name.empty()) return DefaultScoreActivation(labels);
  const std::string last = name.substr(name.rfind('.') == std::string::npos ? 0 : name.rfind('.') + 1);
  if (last == "Identity") return ScoreActivation::kIdentity;
  if (last == "Sigmoid") return ScoreActivation::kSigmoid;
  throw Error(ErrorCode::kModelUnsupported,
              "config.json: score activation \"" + name +
                  "\" is not supported; known are Identity and Sigmoid of torch");
}

Architecture DescribeModel(const JsonView& config, const std::optional<PoolingRule>& pooling) {
  if (!config.isObject()) throw Error(ErrorCode::kModelInvalid, "config.json: must hold an object");
  const ConfigReader reader(config);
  const std::string model_type = reader.Text("model_type", "");
  const std::string architecture = ReadArchitectureName(config);
  const bool bert_family = model_type == "bert" || model_type == "roberta" || model_type == "xlm-roberta" ||
                           model_type == "electra";
  if (!bert_family && model_type != "distilbert") {
    throw Error(ErrorCode::kModelUnsupported,
                "config.json: model_type \"" + model_type +
                    "\" is not supported; known are bert, roberta, xlm-roberta, electra and distilbert");
  }
  CheckTask(architecture, pooling.has_value());
  CheckQuantization(config);
  Architecture out = bert_family ? DescribeBertFamily(config, model_type) : DescribeDistilBert(config);
  out.spec.model_type = model_type;
  out.spec.architecture = architecture.empty() ? model_type : architecture;
  out.spec.pooling = pooling;
  out.spec.labels = pooling ? out.spec.hidden_size : ReadLabels(config);
  out.spec.score_activation =
      pooling ? ScoreActivation::kIdentity : ReadScoreActivation(config, out.spec.labels);
  CheckShape(out.spec);
  return out;
}

}  // namespace crossrank
