#include "engine/model.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <optional>

#include "common/error.h"
#include "engine/model_folder.h"
#include "engine/packing.h"
#include "model/config_reader.h"
#include "model/packed_graph.h"
#include "model/weight_reader.h"

namespace crossrank {
namespace {

namespace fs = std::filesystem;

SequenceLayout::Rules RulesOf(const ModelSpec& spec, const TokenizerConfig& tokenizer) {
  SequenceLayout::Rules rules{};
  rules.max_tokens = std::min(spec.max_tokens(), tokenizer.max_tokens);
  rules.vocab_size = spec.vocab_size;
  rules.type_vocab_size = tokenizer.wants_type_ids ? spec.type_vocab_size : 0;
  rules.cut_left = tokenizer.cut_left;
  rules.positions_follow_padding = spec.positions_follow_padding;
  rules.padding_id = spec.padding_id;
  return rules;
}

}  // namespace

const kernels::KernelTable& KernelsOf(const LoadOptions& options) {
  return options.kernels != nullptr ? *options.kernels : KernelsOfLevel(options.kernel_level);
}

const Library& OpenAnyLibrary(const LoadOptions& options) {
  std::string attempts;
  for (const std::string& path : options.library_paths) {
    try {
      return OpenLibrary(path, options.library_required);
    } catch (const Error& error) {
      if (options.library_required) throw;
      attempts += "\n  " + std::string(error.what());
    }
  }
  throw Error(ErrorCode::kRuntime, "no ONNX Runtime library could be loaded:" +
                                       (attempts.empty() ? std::string(" none was found") : attempts));
}

std::string Model::Key(const LoadOptions& options) {
  RequireFolder(options.folder);
  const kernels::KernelTable& kernels = KernelsOf(options);
  const Precision precision =
      options.precision == Precision::kAuto ? ResolvePrecision(Precision::kAuto, kernels) : options.precision;
  return FilesKey(options.folder) + PrecisionName(precision) + "\n" + kernels.name + "\n" +
         (options.literal_special_tokens ? "literal\n" : "\n") +
         (options.pooling ? options.pooling->key() : "") + "\n" +
         (options.library_required ? options.library_paths.front() : "");
}

void Model::LoadPacked(const LoadOptions& options, const Json& config, Cancellation& cancellation) {
  const Architecture architecture = DescribeModel(config.root(), options.pooling);
  const ModelSpec& spec = architecture.spec;
  const kernels::KernelTable& kernels = KernelsOf(options);
  const Precision precision = ResolvePrecision(options.precision, kernels);
  const Library& library = OpenAnyLibrary(options);
  const std::string key = files_key_ + PrecisionName(precision) + " " + kernels.name +
                          (options.pooling ? options.pooling->key() : "");
  const auto weights = ShareWeights(key, cancellation, [&] {
    auto loaded = std::make_shared<LoadedWeights>();
    const TensorSet& tensors = loaded->tensors.emplace(TensorSet::Open(options.folder));
    WeightReader reader(tensors, architecture.prefix, cancellation);
    GraphProgram program = BuildPackedGraph(architecture, reader, precision, kernels);
    const PageReleaser releaser(tensors);
    RunAll(program.packing);
    loaded->session = OpenPackedSession(library, std::move(program), spec.labels, kernels, cancellation);
    loaded->parameters = reader.parameters();
    loaded->bytes = reader.bytes();
    return loaded;
  });
  session_ = std::shared_ptr<ScoringSession>(weights, weights->session.get());

  NoteKernels(kernels, spec, precision);
  rules_ = RulesOf(spec, ReadTokenizerConfig(options.folder));
  info_.model_type = spec.model_type;
  info_.architecture = spec.architecture;
  info_.packed = true;
  info_.parameters = weights->parameters;
  info_.weight_bytes = weights->bytes;
  info_.layers = spec.layers;
  info_.hidden_size = spec.hidden_size;
  info_.intermediate_size = spec.intermediate_size;
  info_.heads = spec.heads;
  info_.labels = spec.labels;
  info_.vocab_size = spec.vocab_size;
  info_.activation = spec.score_activation;
}

void Model::NoteKernels(const kernels::KernelTable& kernels, const ModelSpec& spec, Precision precision) {
  info_.precision = precision;
  info_.kernel_level = kernels.name;
  info_.refused_features = RefusedFeatures();
  info_.linear_kernel = "onnxruntime";
  info_.attention_kernel = kernels.base;
  const kernels::LinearKernel& linear = kernels::LinearFor(kernels, FormatOf(precision));
  if (linear.run != nullptr) info_.linear_kernel = linear.name;
  if (!AttendsInFp32(spec, precision)) info_.attention_kernel = kernels.attention_bf16.name;
}

void Model::LoadExported(const LoadOptions& options, const std::string& path, Cancellation& cancellation) {
  if (options.precision != Precision::kAuto && options.precision != Precision::kFp32) {
    throw Error(ErrorCode::kPrecision, std::string("precision '") + PrecisionName(options.precision) +
                                           "' needs model.safetensors: " + path +
                                           " is an exported graph and runs as it was written");
  }
  const kernels::KernelTable& kernels = KernelsOfLevel(options.kernel_level);
  info_.kernel_level = kernels.name;
  info_.linear_kernel = info_.attention_kernel = "onnxruntime";
  std::optional<Json> json;
  if (IsFile(FilePath(options.folder, "config.json"))) json.emplace(ReadJson(options.folder, "config.json"));
  const bool has_config = json && json->root().isObject();
  // Only what decides how a pair is laid out; the graph itself knows the rest.
  ModelSpec spec;
  spec.position_rows = 512;
  spec.type_vocab_size = std::numeric_limits<size_t>::max();
  if (has_config) {
    const ConfigReader reader(json->root());
    spec.model_type = reader.Text("model_type", "");
    spec.positions_follow_padding = PositionsFollowPadding(spec.model_type);
    spec.padding_id = reader.TokenId("pad_token_id", spec.positions_follow_padding ? 1 : 0);
    spec.position_rows = reader.Size("max_position_embeddings", 512);
  }
  const std::string key = files_key_ + path + (options.pooling ? options.pooling->key() : "");
  const auto weights = ShareWeights(key, cancellation, [&] {
    auto loaded = std::make_shared<LoadedWeights>();
    loaded->session =
        OpenPaddedSession(OpenAnyLibrary(options), path, spec.padding_id, options.pooling, cancellation);
    loaded->bytes = static_cast<size_t>(fs::file_size(fs::u8path(path)));
    return loaded;
  });
  session_ = std::shared_ptr<ScoringSession>(weights, weights->session.get());
  rules_ = RulesOf(spec, ReadTokenizerConfig(options.folder));
  info_.model_type = spec.model_type;
  info_.architecture = fs::u8path(path).filename().u8string();
  info_.packed = false;
  info_.weight_bytes = weights->bytes;
  info_.labels = session_->labels();
  info_.pools_itself = session_->pools_itself();
  if (options.pooling) {
    info_.hidden_size = info_.labels;
    info_.activation = ScoreActivation::kIdentity;
    return;
  }
  info_.activation =
      has_config ? ReadScoreActivation(json->root(), info_.labels) : DefaultScoreActivation(info_.labels);
}

std::shared_ptr<Model> Model::Load(const LoadOptions& options, Cancellation& cancellation) {
  RequireFolder(options.folder);
  auto model = std::make_shared<Model>();
  model->info_.folder = options.folder;
  model->files_key_ = FilesKey(options.folder);
  // The tokenizer takes as long as the weights (0.1 to 0.7 s each), so they load side by side.
  PendingTokenizer tokenizer =
      LoadTokenizer(model->files_key_, FilePath(options.folder, "tokenizer.json").u8string(),
                    options.literal_special_tokens);
  model->LoadWeights(options, cancellation);
  model->tokenizer_ = tokenizer.Wait(cancellation);
  model->layout_ = std::make_unique<SequenceLayout>(
      options.pooling ? model->tokenizer_->text_template() : model->tokenizer_->pair_template(),
      model->rules_);
  model->info_.embeds = options.pooling.has_value();
  model->info_.max_tokens = model->rules_.max_tokens;
  const Library* library = OpenedLibrary();
  model->info_.runtime_path = library->path;
  model->info_.runtime_version = library->version;
  return model;
}

// Our own graph where we know the architecture; else an exported graph, where there is one.
void Model::LoadWeights(const LoadOptions& options, Cancellation& cancellation) {
  const WeightFiles files = FindWeights(options.folder);
  if (!files.safetensors) return LoadExported(options, files.exported, cancellation);
  try {
    LoadPacked(options, ReadJson(options.folder, "config.json"), cancellation);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kModelUnsupported || files.exported.empty()) throw;
    LoadExported(options, files.exported, cancellation);
  }
}

}  // namespace crossrank
