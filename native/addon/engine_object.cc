#include "addon/engine_object.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "addon/arguments.h"
#include "addon/environment.h"
#include "addon/stats_value.h"
#include "engine/exit_handler.h"
#include "runtime/product_rate.h"

namespace crossrank::addon {
namespace {

const char* ActivationName(ScoreActivation activation) {
  return activation == ScoreActivation::kSigmoid ? "sigmoid" : "identity";
}

Error Disposed() { return Error(ErrorCode::kClosed, "the reranker or embedder has been disposed"); }

// Null: a reranker.
std::optional<PoolingRule> ParsePooling(const Napi::Object& options) {
  if (options.Get("pooling").IsNull()) return std::nullopt;
  const auto rule = options.Get("pooling").As<Napi::Object>();
  const std::string name = Text(rule, "pooling");
  const Pooling pooling = name == "cls" ? Pooling::kCls : name == "last" ? Pooling::kLast : Pooling::kMean;
  return PoolingRule{pooling, Flag(rule, "normalize")};
}

Napi::Uint32Array ToJs(Napi::Env env, Span<const uint32_t> values) {
  auto out = Napi::Uint32Array::New(env, values.size());
  std::copy(values.begin(), values.end(), out.Data());
  return out;
}

Napi::Array TokensToJs(Napi::Env env, const EncodedBatch& batch) {
  auto rows = Napi::Array::New(env, batch.rows());
  for (uint32_t i = 0; i < batch.rows(); i++) {
    auto row = Napi::Object::New(env);
    row["ids"] = ToJs(env, batch.row(i));
    row["starts"] = ToJs(env, batch.offsets(i).starts);
    row["ends"] = ToJs(env, batch.offsets(i).ends);
    rows[i] = row;
  }
  return rows;
}

}  // namespace

void EngineObject::Define(Napi::Env env, Napi::Object exports) {
  const Napi::Function engine_class = DefineClass(
      env, "Engine",
      {InstanceMethod<&EngineObject::Info>("info"), InstanceMethod<&EngineObject::IsLoaded>("isLoaded"),
       InstanceMethod<&EngineObject::Stats>("stats"), InstanceMethod<&EngineObject::WarmUp>("warmUp"),
       InstanceMethod<&EngineObject::Tokenize>("tokenize"),
       InstanceMethod<&EngineObject::MeasureProducts>("measureProducts"),
       InstanceMethod<&EngineObject::Dispose>("dispose")});
  Environment::Of(env).SetEngineClass(engine_class);
  exports.Set("load", Napi::Function::New<&EngineObject::Load>(env, "load"));
}

// Called by Load alone, with the handle as an External.
EngineObject::EngineObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<EngineObject>(info) {
  const Napi::Env env = info.Env();
  if (info.Length() != 1 || !info[0].IsExternal()) throw Napi::TypeError::New(env, "use load()");
  handle_ = *info[0].As<Napi::External<std::shared_ptr<EngineHandle>>>().Data();
  environment_ = Environment::Shared(env);
}

// A finalizer must not wait for the lanes.
EngineObject::~EngineObject() {
  const auto environment = environment_.lock();
  if (handle_ && environment) environment->Retire(handle_, nullptr);
}

Napi::Value EngineObject::Load(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  StopAtExitOfMainThread();
  const auto js = info[0].As<Napi::Object>();
  LoadOptions load;
  load.folder = Text(js, "folder");
  load.library_paths = Strings(js.Get("libraryPaths").As<Napi::Array>());
  load.library_required = Flag(js, "libraryRequired");
  load.literal_special_tokens = Flag(js, "literalSpecialTokens");
  load.precision = ParsePrecision(Text(js, "precision"));
  load.kernel_level = Text(js, "cpu");
  load.pooling = ParsePooling(js);
  EngineOptions engine_options;
  engine_options.lanes = Size(js, "threads");
  engine_options.max_tokens_per_chunk = Size(js, "maxTokensPerChunk");
  engine_options.max_queued_tokens = Size(js, "maxQueuedTokens");
  engine_options.cache.max_bytes = Size(js, "cacheBytes");
  engine_options.cache.time_to_live = std::chrono::milliseconds(Size(js, "cacheTtlMs"));
  engine_options.nice = static_cast<int>(Size(js, "nice"));
  HolderOptions holder;
  holder.idle_unload = Limit(js, "idleUnloadMs", HolderOptions::kNever);
  holder.memory_budget = Limit(js, "memoryBudget", holder.memory_budget);
  Environment& environment = Environment::Of(env);
  return environment.Promise(
      env, [load, engine_options, holder, &environment]() -> std::function<Napi::Value(Napi::Env)> {
        auto handle = EngineRegistry::Get().Acquire(load, engine_options, holder, environment.ending());
        environment.Adopt(handle);
        return [handle](Napi::Env env) mutable -> Napi::Value {
          return Environment::Of(env).engine_class().New(
              {Napi::External<std::shared_ptr<EngineHandle>>::New(env, &handle)});
        };
      });
}

Napi::Value EngineObject::Info(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!handle_) throw Environment::Of(env).MakeError(env, Disposed());
  const EngineInfo engine = EngineRegistry::Get().Info(*handle_);
  const ModelInfo& model = engine.model;
  Napi::Object out = Napi::Object::New(env);
  const auto number = [env](size_t value) { return Napi::Number::New(env, static_cast<double>(value)); };
  out["folder"] = model.folder;
  out["modelType"] = model.model_type;
  out["architecture"] = model.architecture;
  out["packed"] = model.packed;
  out["parameters"] = number(model.parameters);
  out["weightBytes"] = number(model.weight_bytes);
  out["layers"] = number(model.layers);
  out["hiddenSize"] = number(model.hidden_size);
  out["intermediateSize"] = number(model.intermediate_size);
  out["heads"] = number(model.heads);
  out["labels"] = number(model.labels);
  out["vocabSize"] = number(model.vocab_size);
  out["maxLength"] = number(model.max_tokens);
  out["specialTokens"] = number(engine.special_tokens);
  out["activation"] = ActivationName(model.activation);
  out["poolsItself"] = Napi::Boolean::New(env, model.pools_itself);
  out["threads"] = number(engine.lanes);
  out["maxTokensPerChunk"] = number(engine.max_tokens_per_chunk);
  out["precision"] = PrecisionName(model.precision);
  out["kernelLevel"] = model.kernel_level;
  out["linearKernel"] = model.linear_kernel;
  out["attentionKernel"] = model.attention_kernel;
  out["refusedFeatures"] = model.refused_features;
  out["runtimeVersion"] = model.runtime_version;
  out["runtimePath"] = model.runtime_path;
  return out;
}

Napi::Value EngineObject::IsLoaded(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), handle_ != nullptr && EngineRegistry::Get().IsLoaded(*handle_));
}

// Of a disposed reranker: zeros.
Napi::Value EngineObject::Stats(const Napi::CallbackInfo& info) {
  return StatsToJs(info.Env(), handle_ ? EngineRegistry::Get().Stats(*handle_) : EngineStats());
}

Napi::Value EngineObject::WarmUp(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!handle_) throw Environment::Of(env).MakeError(env, Disposed());
  Environment& environment = Environment::Of(env);
  return environment.Promise(env,
                             [handle = handle_, &environment]() -> std::function<Napi::Value(Napi::Env)> {
                               EngineRegistry::Get().WarmUp(*handle, environment.ending());
                               return [](Napi::Env env) -> Napi::Value { return env.Undefined(); };
                             });
}

// tokenize(texts) -> Promise<{ids, starts, ends}[]>
Napi::Value EngineObject::Tokenize(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!handle_) throw Environment::Of(env).MakeError(env, Disposed());
  Environment& environment = Environment::Of(env);
  const auto tokenize = [handle = handle_, texts = Strings(info[0].As<Napi::Array>()),
                         &environment]() -> std::function<Napi::Value(Napi::Env)> {
    const auto batch = std::make_shared<const EncodedBatch>(
        EngineRegistry::Get().Tokenize(*handle, texts, environment.ending()));
    return [batch](Napi::Env env) -> Napi::Value { return TokensToJs(env, *batch); };
  };
  return environment.Promise(env, tokenize);
}

// measureProducts(seconds): multiply-adds a second of the model's matrices alone, on as many threads as it
// has lanes
Napi::Value EngineObject::MeasureProducts(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Translate(env, [&] {
    if (!handle_) throw Disposed();
    const EngineInfo engine = EngineRegistry::Get().Info(*handle_);
    const ModelInfo& model = engine.model;
    if (!model.packed)
      throw Error(ErrorCode::kModelUnsupported, "the matrices of an exported graph are its own");
    constexpr size_t kRows = 512;  // of a usual chunk
    const ProductPlan plan{model.hidden_size, model.intermediate_size, kRows, engine.lanes,
                           info[0].As<Napi::Number>().DoubleValue()};
    const auto measure = [plan, precision = model.precision,
                          level = model.kernel_level]() -> std::function<Napi::Value(Napi::Env)> {
      const double rate =
          crossrank::MeasureProducts(*OpenedLibrary(), KernelsOfLevel(level), precision, plan);
      return [rate](Napi::Env env) -> Napi::Value { return Napi::Number::New(env, rate); };
    };
    return Napi::Value(Environment::Of(env).Promise(env, measure));
  });
}

Napi::Value EngineObject::Dispose(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto deferred = Napi::Promise::Deferred::New(env);
  if (!handle_) {
    deferred.Resolve(env.Undefined());
    return deferred.Promise();
  }
  Environment& environment = Environment::Of(env);
  environment.mailbox().Retain();
  environment.Retire(std::exchange(handle_, nullptr), [&environment, deferred] {
    environment.mailbox().Post([deferred](Napi::Env env) { deferred.Resolve(env.Undefined()); });
  });
  return deferred.Promise();
}

}  // namespace crossrank::addon
