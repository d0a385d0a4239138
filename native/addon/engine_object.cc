#include "addon/engine_object.h"

#include <utility>

#include "addon/environment.h"
#include "kernels/kernels.h"

namespace crossrank::addon {
namespace {

std::vector<std::string> Strings(const Napi::Array& array) {
  std::vector<std::string> out(array.Length());
  for (uint32_t i = 0; i < array.Length(); i++) out[i] = array.Get(i).As<Napi::String>().Utf8Value();
  return out;
}

size_t Size(const Napi::Object& options, const char* name) {
  return static_cast<size_t>(options.Get(name).As<Napi::Number>().Int64Value());
}

bool Flag(const Napi::Object& options, const char* name) {
  return options.Get(name).As<Napi::Boolean>().Value();
}

std::string Text(const Napi::Object& options, const char* name) {
  return options.Get(name).As<Napi::String>().Utf8Value();
}

const char* ActivationName(ScoreActivation activation) {
  return activation == ScoreActivation::kSigmoid ? "sigmoid" : "identity";
}

// Wraps a native call so that core errors become JavaScript ones.
template <class Function>
auto Translate(Napi::Env env, Function&& function) {
  try {
    return function();
  } catch (const Error& error) {
    throw Environment::Of(env).MakeError(env, error);
  }
}

template <class T, class From, class Get>
Napi::TypedArrayOf<T> Column(Napi::Env env, const std::vector<From>& rows, Get get) {
  auto out = Napi::TypedArrayOf<T>::New(env, rows.size());
  for (size_t i = 0; i < rows.size(); i++) out[i] = get(rows[i]);
  return out;
}

Napi::Value OutcomeToJs(Napi::Env env, const Outcome& outcome, bool ranked) {
  Napi::Object out = Napi::Object::New(env);
  if (ranked) {
    out["indexes"] = Column<uint32_t>(env, outcome.ranked, [](const RankedDocument& r) { return r.index; });
    out["scores"] = Column<float>(env, outcome.ranked, [](const RankedDocument& r) { return r.score; });
    out["tokensLost"] =
        Column<uint32_t>(env, outcome.ranked, [](const RankedDocument& r) { return r.tokens_lost; });
  } else {
    out["scores"] = Column<float>(env, outcome.scores, [](float score) { return score; });
  }
  out["pairs"] = Napi::Number::New(env, static_cast<double>(outcome.pairs));
  out["tokens"] = Napi::Number::New(env, static_cast<double>(outcome.tokens));
  out["tokenizeMs"] = Napi::Number::New(env, outcome.tokenize_ms);
  out["queueMs"] = Napi::Number::New(env, outcome.queue_ms);
  out["computeMs"] = Napi::Number::New(env, outcome.compute_ms);
  return out;
}

}  // namespace

void EngineObject::Define(Napi::Env env, Napi::Object exports) {
  const Napi::Function engine_class = DefineClass(
      env, "Engine",
      {InstanceMethod<&EngineObject::Info>("info"), InstanceMethod<&EngineObject::Dispose>("dispose")});
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

void RequestObject::Define(Napi::Env env, Napi::Object exports) {
  exports.Set("Request", DefineClass(env, "Request",
                                     {InstanceMethod<&RequestObject::AddDocuments>("addDocuments"),
                                      InstanceMethod<&RequestObject::Run>("run")}));
}

// new Request(engine, queries, options)
RequestObject::RequestObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<RequestObject>(info) {
  const Napi::Env env = info.Env();
  engine_ = EngineObject::Unwrap(info[0].As<Napi::Object>())->engine();
  if (!engine_)
    throw Environment::Of(env).MakeError(env, Error(ErrorCode::kClosed, "the reranker has been disposed"));
  request_ = std::make_shared<Request>();
  request_->queries = Strings(info[1].As<Napi::Array>());
  const auto js = info[2].As<Napi::Object>();
  RequestOptions& options = request_->options;
  options.max_tokens = Size(js, "maxTokens");
  options.truncation = Flag(js, "truncateDocument") ? Truncation::kDocument : Truncation::kLongestFirst;
  options.activation = Flag(js, "sigmoid") ? ScoreActivation::kSigmoid : ScoreActivation::kIdentity;
  options.rank = Flag(js, "rank");
  const double top_k = js.Get("topK").As<Napi::Number>().DoubleValue();
  if (top_k < 4e9) options.top_k = static_cast<size_t>(top_k);
  options.min_score = js.Get("minScore").As<Napi::Number>().DoubleValue();
}

// addDocuments(documents, first, end, queryOf?): documents[first .. end), paired with queries[queryOf[i]] or
// query 0
Napi::Value RequestObject::AddDocuments(const Napi::CallbackInfo& info) {
  const auto documents = info[0].As<Napi::Array>();
  const uint32_t first = info[1].As<Napi::Number>().Uint32Value();
  const uint32_t end = info[2].As<Napi::Number>().Uint32Value();
  for (uint32_t i = first; i < end; i++) {
    request_->documents.push_back(documents.Get(i).As<Napi::String>().Utf8Value());
  }
  if (info[3].IsTypedArray()) {
    const auto query_of = info[3].As<Napi::Uint32Array>();
    for (uint32_t i = first; i < end; i++) request_->query_of.push_back(query_of[i]);
  }
  return info.Env().Undefined();
}

Napi::Value RequestObject::Run(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Translate(env, [&] {
    if (!request_ || request_->documents.empty()) {
      throw Error(ErrorCode::kInvalidArgument, "a request runs once and holds at least one document");
    }
    const auto deferred = Napi::Promise::Deferred::New(env);
    Environment& environment = Environment::Of(env);
    environment.mailbox().Retain();
    request_->done = [deferred, &environment, ranked = request_->options.rank](Outcome outcome) {
      environment.mailbox().Post(
          [deferred, &environment, ranked, outcome = std::move(outcome)](Napi::Env env) {
            if (outcome.error) {
              deferred.Reject(environment.MakeError(env, *outcome.error).Value());
            } else {
              deferred.Resolve(OutcomeToJs(env, outcome, ranked));
            }
          });
    };
    std::exchange(engine_, nullptr)->Submit(std::move(request_));
    return Napi::Value(deferred.Promise());
  });
}

}  // namespace crossrank::addon
