#include "engine/model.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <filesystem>
#include <functional>
#include <limits>
#include <mutex>
#include <optional>
#include <thread>

#include "common/error.h"
#include "common/mapped_file.h"
#include "engine/weight_cache.h"
#include "model/config_reader.h"
#include "model/json.h"
#include "model/packed_graph.h"
#include "model/weight_reader.h"

namespace crossrank {
namespace {

namespace fs = std::filesystem;

// tokenizer_config.json, as far as it changes what the model is given.
struct TokenizerConfig {
  size_t max_tokens = std::numeric_limits<size_t>::max();
  bool cut_left = false;
  bool wants_type_ids = true;
};

fs::path FilePath(const std::string& folder, const char* name) { return fs::u8path(folder) / name; }

bool Exists(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

Json ReadJson(const std::string& folder, const char* name) {
  const MappedFile file(FilePath(folder, name).u8string());
  return Json::Parse(file.data(), file.size(), name);
}

void RequireFolder(const std::string& folder) {
  std::error_code ignored;
  if (!fs::is_directory(fs::u8path(folder), ignored)) {
    throw Error(ErrorCode::kModelNotFound, "there is no model folder at " + folder +
                                               "; pass the path of a folder with config.json, tokenizer.json "
                                               "and model.safetensors (or model.onnx)");
  }
  if (!Exists(FilePath(folder, "tokenizer.json"))) {
    throw Error(ErrorCode::kModelNotFound, "the model folder " + folder +
                                               " has no tokenizer.json; save one with transformers' "
                                               "AutoTokenizer(...).save_pretrained(folder), or "
                                               "download it with the model");
  }
}

TokenizerConfig ReadTokenizerConfig(const std::string& folder) {
  TokenizerConfig out;
  if (!Exists(FilePath(folder, "tokenizer_config.json"))) return out;
  const Json json = ReadJson(folder, "tokenizer_config.json");
  const JsonView config = json.root();
  if (!config.isObject()) return out;
  if (config.has("model_max_length") && config["model_max_length"].isNumber()) {
    // transformers writes 1e30 where there is no limit.
    const double limit = config["model_max_length"].number();
    if (limit >= 1 && limit < 1e9) out.max_tokens = static_cast<size_t>(limit);
  }
  if (config.has("truncation_side") && config["truncation_side"].isString()) {
    out.cut_left = config["truncation_side"].string() == "left";
  }
  if (config.has("model_input_names") && config["model_input_names"].isArray()) {
    const JsonView names = config["model_input_names"];
    out.wants_type_ids = false;
    for (size_t i = 0; i < names.size(); i++) {
      if (names.element(i).isString() && names.element(i).string() == "token_type_ids")
        out.wants_type_ids = true;
    }
  }
  return out;
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

// Runs a function on a thread of its own and hands on what it throws.
class Background {
 public:
  template <class Function>
  explicit Background(Function function)
      : thread_([this, function] {
          try {
            function();
          } catch (...) {
            error_ = std::current_exception();
          }
        }) {}
  ~Background() {
    if (thread_.joinable()) thread_.join();
  }
  void Join() {
    thread_.join();
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::exception_ptr error_;
  std::thread thread_;
};

// While a session packs its matrices it reads the whole file once. What it has read need not stay resident
// beside what it has packed: given back every few milliseconds, the peak is one copy of the weights, not two.
class PageReleaser {
 public:
  explicit PageReleaser(const TensorSet& weights) : weights_(weights), thread_([this] { Loop(); }) {}
  ~PageReleaser() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      done_ = true;
    }
    wake_.notify_one();
    thread_.join();
    weights_.ReleasePages();
  }

 private:
  void Loop() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (!wake_.wait_for(lock, std::chrono::milliseconds(10), [this] { return done_; }))
      weights_.ReleasePages();
  }

  const TensorSet& weights_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool done_ = false;
  std::thread thread_;
};

// Runs functions side by side on as many threads as there are processors, and hands on the first error.
void RunAll(const std::vector<std::function<void()>>& functions) {
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (size_t i = next++; i < functions.size(); i = next++) functions[i]();
  };
  constexpr size_t kMostThreads = 16;
  const size_t threads =
      std::min({functions.size(), kMostThreads, size_t{std::thread::hardware_concurrency()}});
  std::vector<std::unique_ptr<Background>> others;
  for (size_t i = 1; i < threads; i++) others.push_back(std::make_unique<Background>(work));
  work();
  for (const auto& other : others) other->Join();
}

bool HasSafetensors(const std::string& folder) {
  return Exists(FilePath(folder, "model.safetensors")) ||
         Exists(FilePath(folder, "model.safetensors.index.json"));
}

std::string FindExported(const std::string& folder) {
  for (const char* name : {"model.onnx", "onnx/model.onnx"}) {
    if (Exists(FilePath(folder, name))) return FilePath(folder, name).u8string();
  }
  return "";
}

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

void Model::LoadPacked(const LoadOptions& options, const Json& config) {
  const Architecture architecture = DescribeModel(config.root());
  const ModelSpec& spec = architecture.spec;
  const kernels::KernelTable& kernels =
      options.kernels != nullptr ? *options.kernels : KernelsOfLevel(options.kernel_level);
  const Precision precision = ResolvePrecision(options.precision, kernels);
  const Library& library = OpenAnyLibrary(options);
  const std::string key = FilesKey(options.folder) + PrecisionName(precision) + " " + kernels.name;
  const auto weights = ShareWeights(key, [&] {
    auto loaded = std::make_shared<LoadedWeights>(LoadedWeights{TensorSet::Open(options.folder), nullptr});
    WeightReader reader(loaded->tensors);
    GraphProgram program =
        BuildPackedGraph(architecture, reader, precision, HasOwnProducts(precision, kernels));
    const PageReleaser releaser(loaded->tensors);
    RunAll(program.packing);
    loaded->session = OpenPackedSession(library, std::move(program), spec.labels, kernels);
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

void Model::LoadExported(const LoadOptions& options, const std::string& path) {
  if (options.precision != Precision::kAuto && options.precision != Precision::kFp32) {
    throw Error(ErrorCode::kPrecision, std::string("precision '") + PrecisionName(options.precision) +
                                           "' needs model.safetensors: " + path +
                                           " is an exported graph and runs as it was written");
  }
  const kernels::KernelTable& kernels = KernelsOfLevel(options.kernel_level);
  info_.kernel_level = kernels.name;
  info_.linear_kernel = info_.attention_kernel = "onnxruntime";
  std::optional<Json> json;
  if (Exists(FilePath(options.folder, "config.json"))) json.emplace(ReadJson(options.folder, "config.json"));
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
  session_ = OpenPaddedSession(OpenAnyLibrary(options), path, spec.padding_id);
  rules_ = RulesOf(spec, ReadTokenizerConfig(options.folder));
  info_.model_type = spec.model_type;
  info_.architecture = fs::u8path(path).filename().u8string();
  info_.packed = false;
  info_.weight_bytes = static_cast<size_t>(fs::file_size(fs::u8path(path)));
  info_.labels = session_->labels();
  info_.activation =
      has_config ? ReadScoreActivation(json->root(), info_.labels) : DefaultScoreActivation(info_.labels);
}

std::shared_ptr<Model> Model::Load(const LoadOptions& options) {
  RequireFolder(options.folder);
  auto model = std::make_shared<Model>();
  model->info_.folder = options.folder;
  // The tokenizer takes as long as the weights (0.1 to 0.7 s each), so they load side by side.
  Background tokenizer([&model, &options] {
    model->tokenizer_ = std::make_unique<Tokenizer>(Tokenizer::Load(
        FilePath(options.folder, "tokenizer.json").u8string(), options.literal_special_tokens));
  });
  model->LoadWeights(options);
  tokenizer.Join();
  model->layout_ = std::make_unique<SequenceLayout>(model->tokenizer_->pair_template(), model->rules_);
  model->info_.max_tokens = model->rules_.max_tokens;
  const Library* library = OpenedLibrary();
  model->info_.runtime_path = library->path;
  model->info_.runtime_version = library->version;
  return model;
}

// Our own graph where we know the architecture; else an exported graph, where there is one.
void Model::LoadWeights(const LoadOptions& options) {
  const std::string exported = FindExported(options.folder);
  if (!HasSafetensors(options.folder)) {
    if (!exported.empty()) return LoadExported(options, exported);
    throw Error(ErrorCode::kModelNotFound,
                "the model folder " + options.folder +
                    " has no weights: model.safetensors, model.safetensors.index.json, model.onnx and "
                    "onnx/model.onnx were "
                    "looked for; pytorch_model.bin is not read (save with safe_serialization=True)");
  }
  if (!Exists(FilePath(options.folder, "config.json"))) {
    throw Error(ErrorCode::kModelNotFound, "the model folder " + options.folder + " has no config.json");
  }
  try {
    LoadPacked(options, ReadJson(options.folder, "config.json"));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kModelUnsupported || exported.empty()) throw;
    LoadExported(options, exported);
  }
}

}  // namespace crossrank
