#include "addon/request_object.h"

#include <utility>

#include "addon/arguments.h"
#include "addon/engine_object.h"
#include "addon/environment.h"

namespace crossrank::addon {
namespace {

template <class T, class From, class Get>
Napi::TypedArrayOf<T> Column(Napi::Env env, const std::vector<From>& rows, Get get) {
  auto out = Napi::TypedArrayOf<T>::New(env, rows.size());
  for (size_t i = 0; i < rows.size(); i++) out[i] = get(rows[i]);
  return out;
}

Napi::Value OutcomeToJs(Napi::Env env, const Outcome& outcome, bool ranked, bool windowed) {
  Napi::Object out = Napi::Object::New(env);
  if (windowed) {
    out["windowsOf"] =
        Column<uint32_t>(env, outcome.ranked, [](const RankedDocument& r) { return r.windows; });
    out["starts"] =
        Column<uint32_t>(env, outcome.ranked, [](const RankedDocument& r) { return r.span.start; });
    out["ends"] = Column<uint32_t>(env, outcome.ranked, [](const RankedDocument& r) { return r.span.end; });
  }
  if (ranked) {
    out["indexes"] = Column<uint32_t>(env, outcome.ranked, [](const RankedDocument& r) { return r.index; });
    out["scores"] = Column<float>(env, outcome.ranked, [](const RankedDocument& r) { return r.score; });
    out["tokensLost"] =
        Column<uint32_t>(env, outcome.ranked, [](const RankedDocument& r) { return r.tokens_lost; });
  } else {
    out["scores"] = Column<float>(env, outcome.scores, [](float score) { return score; });
    out["tokensLost"] = Column<uint32_t>(env, outcome.tokens_lost, [](uint32_t lost) { return lost; });
  }
  out["pairs"] = Napi::Number::New(env, static_cast<double>(outcome.pairs));
  out["scored"] = Napi::Number::New(env, static_cast<double>(outcome.scored));
  out["windows"] = Napi::Number::New(env, static_cast<double>(outcome.windows));
  out["cached"] = Napi::Number::New(env, static_cast<double>(outcome.cached));
  out["degraded"] = Napi::Boolean::New(env, outcome.degraded);
  out["tokens"] = Napi::Number::New(env, static_cast<double>(outcome.tokens));
  out["cachedTokens"] = Napi::Number::New(env, static_cast<double>(outcome.cached_tokens));
  out["tokenizeMs"] = Napi::Number::New(env, outcome.tokenize_ms);
  out["queueMs"] = Napi::Number::New(env, outcome.queue_ms);
  out["computeMs"] = Napi::Number::New(env, outcome.compute_ms);
  return out;
}

std::optional<WindowOptions> ParseWindows(const Napi::Value& value) {
  if (value.IsNull()) return std::nullopt;
  const auto js = value.As<Napi::Object>();
  WindowOptions windows;
  windows.tokens = Size(js, "tokens");
  windows.stride = Size(js, "stride");
  windows.max_windows = Limit(js, "maxWindows", windows.max_windows);
  if (!js.Get("stopScore").IsNull())
    windows.stop_score = js.Get("stopScore").As<Napi::Number>().DoubleValue();
  return windows;
}

OnTimeout ParseOnTimeout(const std::string& name) {
  if (name == "partial") return OnTimeout::kPartial;
  return name == "inputOrder" ? OnTimeout::kInputOrder : OnTimeout::kError;
}

}  // namespace

void RequestObject::Define(Napi::Env env, Napi::Object exports) {
  exports.Set("Request", DefineClass(env, "Request",
                                     {InstanceMethod<&RequestObject::AddDocuments>("addDocuments"),
                                      InstanceMethod<&RequestObject::Run>("run"),
                                      InstanceMethod<&RequestObject::Cancel>("cancel")}));
}

// new Request(engine, queries, options)
RequestObject::RequestObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<RequestObject>(info) {
  const Napi::Env env = info.Env();
  handle_ = EngineObject::Unwrap(info[0].As<Napi::Object>())->handle();
  if (!handle_)
    throw Environment::Of(env).MakeError(
        env, Error(ErrorCode::kClosed, "the reranker or embedder has been disposed"));
  request_ = std::make_shared<Request>();
  request_->queries = Strings(info[1].As<Napi::Array>());
  const auto js = info[2].As<Napi::Object>();
  RequestOptions& options = request_->options;
  options.max_tokens = Size(js, "maxTokens");
  options.truncation = Flag(js, "truncateDocument") ? Truncation::kDocument : Truncation::kLongestFirst;
  options.activation = Flag(js, "sigmoid") ? ScoreActivation::kSigmoid : ScoreActivation::kIdentity;
  options.priority = Flag(js, "bulk") ? Priority::kBulk : Priority::kInteractive;
  options.on_timeout = ParseOnTimeout(Text(js, "onTimeout"));
  options.windows = ParseWindows(js.Get("windows"));
  options.share = Flag(js, "share");
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
    const std::shared_ptr<Environment> environment = Environment::Shared(env);
    environment->mailbox().Retain();
    // A lane may still be in here when the environment ends, so it is kept.
    request_->done = [deferred, environment, ranked = request_->options.rank,
                      windowed = request_->options.windows.has_value()](Outcome outcome) {
      environment->mailbox().Post(
          [deferred, environment, ranked, windowed, outcome = std::move(outcome)](Napi::Env env) {
            if (outcome.error) {
              deferred.Reject(environment->MakeError(env, *outcome.error).Value());
            } else {
              deferred.Resolve(OutcomeToJs(env, outcome, ranked, windowed));
            }
          });
    };
    running_handle_ = handle_;
    running_request_ = request_;
    EngineRegistry::Get().Submit(std::exchange(handle_, nullptr), std::exchange(request_, nullptr));
    return Napi::Value(deferred.Promise());
  });
}

// cancel(timedOut): no effect on a request that has ended
Napi::Value RequestObject::Cancel(const Napi::CallbackInfo& info) {
  const auto handle = running_handle_.lock();
  const auto request = running_request_.lock();
  const bool timed_out = info[0].As<Napi::Boolean>().Value();
  if (handle && request) {
    const CancelReason reason = timed_out ? CancelReason::kTimedOut : CancelReason::kAborted;
    EngineRegistry::Get().Cancel(*handle, request, reason);
  }
  return info.Env().Undefined();
}

}  // namespace crossrank::addon
