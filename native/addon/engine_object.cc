#include "addon/engine_object.h"

#include <utility>

#include "addon/arguments.h"
#include "addon/environment.h"
#include "runtime/product_rate.h"

namespace crossrank::addon {
namespace {

const char* ActivationName(ScoreActivation activation) {
  return activation == ScoreActivation::kSigmoid ? "sigmoid" : "identity";
}

}  // namespace

void EngineObject::Define(Napi::Env env, Napi::Object exports) {
  const Napi::Function engine_class =
      DefineClass(env, "Engine",
                  {InstanceMethod<&EngineObject::Info>("info"),
                   InstanceMethod<&EngineObject::MeasureProducts>("measureProducts"),
                   InstanceMethod<&EngineObject::Dispose>("dispose")});
  Environment::Of(env).SetEngineClass(engine_class);
  exports.Set("load", Napi::Function::New<&EngineObject::Load>(env, "load"));
}

// Called by Load alone, with the engine as an External.
EngineObject::EngineObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<EngineObject>(info) {
  const Napi::Env env = info.Env();
  if (info.Length() != 1 || !info[0].IsExternal()) throw Napi::TypeError::New(env, "use load()");
  engine_ = *info[0].As<Napi::External<std::shared_ptr<Engine>>>().Data();
  environment_ = Environment::Shared(env);
  Environment::Of(env).Adopt(engine_);
}

// A finalizer must not wait for the lanes.
EngineObject::~EngineObject() {
  const auto environment = environment_.lock();
  if (engine_ && environment) environment->Retire(std::move(engine_), nullptr);
}

Napi::Value EngineObject::Load(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto js = info[0].As<Napi::Object>();
  LoadOptions load;
  load.folder = Text(js, "folder");
  load.library_paths = Strings(js.Get("libraryPaths").As<Napi::Array>());
  load.library_required = Flag(js, "libraryRequired");
  load.literal_special_tokens = Flag(js, "literalSpecialTokens");
  load.precision = ParsePrecision(Text(js, "precision"));
  load.kernel_level = Text(js, "cpu");
  EngineOptions engine_options;
  engine_options.lanes = Size(js, "threads");
  engine_options.max_tokens_per_chunk = Size(js, "maxTokensPerChunk");
  engine_options.max_queued_tokens = Size(js, "maxQueuedTokens");
  engine_options.cache.max_bytes = Size(js, "cacheBytes");
  engine_options.cache.time_to_live = std::chrono::milliseconds(Size(js, "cacheTtlMs"));
  return Environment::Of(env).Promise(env, [load, engine_options]() -> std::function<Napi::Value(Napi::Env)> {
    const auto model = Model::Load(load);
    Environment::StopWorkAtExit();
    auto engine = std::make_shared<Engine>(model, engine_options);
    return [engine](Napi::Env env) -> Napi::Value {
      auto handle = engine;
      return Environment::Of(env).engine_class().New(
          {Napi::External<std::shared_ptr<Engine>>::New(env, &handle)});
    };
  });
}

Napi::Value EngineObject::Info(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!engine_)
    throw Environment::Of(env).MakeError(env, Error(ErrorCode::kClosed, "the reranker has been disposed"));
  const ModelInfo& model = engine_->model().info();
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
  out["specialTokens"] = number(engine_->model().layout().special_tokens());
  out["activation"] = ActivationName(model.activation);
  out["threads"] = number(engine_->lanes());
  out["maxTokensPerChunk"] = number(engine_->max_tokens_per_chunk());
  out["precision"] = PrecisionName(model.precision);
  out["kernelLevel"] = model.kernel_level;
  out["linearKernel"] = model.linear_kernel;
  out["attentionKernel"] = model.attention_kernel;
  out["refusedFeatures"] = model.refused_features;
  out["runtimeVersion"] = model.runtime_version;
  out["runtimePath"] = model.runtime_path;
  return out;
}

// measureProducts(seconds): multiply-adds a second of the model's matrices alone, on as many threads as it
// has lanes
Napi::Value EngineObject::MeasureProducts(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Translate(env, [&] {
    if (!engine_) throw Error(ErrorCode::kClosed, "the reranker has been disposed");
    const ModelInfo& model = engine_->model().info();
    if (!model.packed)
      throw Error(ErrorCode::kModelUnsupported, "the matrices of an exported graph are its own");
    constexpr size_t kRows = 512;  // of a usual chunk
    const ProductPlan plan{model.hidden_size, model.intermediate_size, kRows, engine_->lanes(),
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
  if (!engine_) {
    deferred.Resolve(env.Undefined());
    return deferred.Promise();
  }
  Environment& environment = Environment::Of(env);
  environment.mailbox().Retain();
  environment.Retire(std::move(engine_), [&environment, deferred] {
    environment.mailbox().Post([deferred](Napi::Env env) { deferred.Resolve(env.Undefined()); });
  });
  return deferred.Promise();
}

}  // namespace crossrank::addon
