#include "addon/vector_index_object.h"

#include <string>
#include <system_error>
#include <utility>

#include "addon/arguments.h"
#include "addon/environment.h"
#include "kernels/kernels.h"

namespace crossrank::addon {
namespace {

template <class T>
Span<const T> View(const Napi::Value& value) {
  const auto array = value.As<Napi::TypedArrayOf<T>>();
  return {array.Data(), array.ElementLength()};
}

size_t Count(const Napi::Value& value) { return static_cast<size_t>(value.As<Napi::Number>().Int64Value()); }

ScanKind ParseScanKind(const std::string& name) {
  if (name == "plain") return ScanKind::kPlain;
  return name == "quantized" ? ScanKind::kQuantized : ScanKind::kFastest;
}

Napi::Value HitsToJs(Napi::Env env, const Hits& hits) {
  auto rows = Napi::Uint32Array::New(env, hits.size());
  auto scores = Napi::Float32Array::New(env, hits.size());
  for (size_t i = 0; i < hits.size(); i++) {
    rows[i] = hits[i].row;
    scores[i] = hits[i].score;
  }
  Napi::Object out = Napi::Object::New(env);
  out["rows"] = rows;
  out["scores"] = scores;
  return out;
}

}  // namespace

void VectorIndexObject::Define(Napi::Env env, Napi::Object exports) {
  exports.Set("VectorIndex", DefineClass(env, "VectorIndex",
                                         {InstanceMethod<&VectorIndexObject::Append>("append"),
                                          InstanceMethod<&VectorIndexObject::AppendUnit>("appendUnit"),
                                          InstanceMethod<&VectorIndexObject::AppendFrom>("appendFrom"),
                                          InstanceMethod<&VectorIndexObject::Read>("read"),
                                          InstanceMethod<&VectorIndexObject::Show>("show"),
                                          InstanceMethod<&VectorIndexObject::Hide>("hide"),
                                          InstanceMethod<&VectorIndexObject::Query>("query"),
                                          InstanceMethod<&VectorIndexObject::Dispose>("dispose")}));
}

// new VectorIndex(dimension, threads)
VectorIndexObject::VectorIndexObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<VectorIndexObject>(info),
      index_(std::make_shared<VectorIndex>(Count(info[0]), Count(info[1]), kernels::Kernels())) {}

VectorIndexObject::~VectorIndexObject() {
  if (index_) index_->Close();
}

VectorIndex& VectorIndexObject::index() const {
  if (!index_) throw Error(ErrorCode::kClosed, "the index has been disposed");
  return *index_;
}

// append(rows): false where a value is not finite
Napi::Value VectorIndexObject::Append(const Napi::CallbackInfo& info) {
  return Translate(info.Env(), [&]() -> Napi::Value {
    return Napi::Boolean::New(info.Env(), index().rows().Append(View<float>(info[0])));
  });
}

// appendUnit(rows): false where a row is neither of unit length nor zeros
Napi::Value VectorIndexObject::AppendUnit(const Napi::CallbackInfo& info) {
  return Translate(info.Env(), [&]() -> Napi::Value {
    return Napi::Boolean::New(info.Env(), index().rows().AppendUnit(View<float>(info[0])));
  });
}

// appendFrom(other, rows)
Napi::Value VectorIndexObject::AppendFrom(const Napi::CallbackInfo& info) {
  return Translate(info.Env(), [&]() -> Napi::Value {
    VectorIndex& other = VectorIndexObject::Unwrap(info[0].As<Napi::Object>())->index();
    index().rows().AppendFrom(other.rows(), View<uint32_t>(info[1]));
    return info.Env().Undefined();
  });
}

// read(rows): as they are kept, of unit length
Napi::Value VectorIndexObject::Read(const Napi::CallbackInfo& info) {
  return Translate(info.Env(), [&]() -> Napi::Value {
    const RowStore& store = index().rows();
    const Span<const uint32_t> rows = View<uint32_t>(info[0]);
    auto out = Napi::Float32Array::New(info.Env(), rows.size() * store.dimension());
    store.Read(rows, out.Data());
    return out;
  });
}

// show(first, end)
Napi::Value VectorIndexObject::Show(const Napi::CallbackInfo& info) {
  return Translate(info.Env(), [&]() -> Napi::Value {
    index().Show(Count(info[0]), Count(info[1]));
    return info.Env().Undefined();
  });
}

// hide(rows)
Napi::Value VectorIndexObject::Hide(const Napi::CallbackInfo& info) {
  return Translate(info.Env(), [&]() -> Napi::Value {
    index().Hide(View<uint32_t>(info[0]));
    return info.Env().Undefined();
  });
}

// query(vector, topK, filter | undefined, scan)
Napi::Value VectorIndexObject::Query(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Translate(env, [&]() -> Napi::Value {
    const bool filtered = info[2].IsTypedArray();
    const Span<const uint8_t> filter = filtered ? View<uint8_t>(info[2]) : Span<const uint8_t>();
    const ScanKind kind = ParseScanKind(info[3].As<Napi::String>());
    const auto query =
        index().MakeQuery(View<float>(info[0]), Count(info[1]), filtered ? &filter : nullptr, kind);

    Environment* environment = &Environment::Of(env);  // joins the threads that use it
    const auto deferred = Napi::Promise::Deferred::New(env);
    query->done = [deferred, environment](Hits hits, std::optional<Error> error) {
      environment->mailbox().Post([deferred, environment, hits = std::move(hits), error](Napi::Env env) {
        if (error) {
          deferred.Reject(environment->MakeError(env, *error).Value());
        } else {
          deferred.Resolve(HitsToJs(env, hits));
        }
      });
    };
    if (index_->Submit(query)) {
      try {
        if (!environment->Spawn([index = index_, environment] { index->Work(environment->ending()); }))
          throw Error(ErrorCode::kClosed, "this thread is ending");
      } catch (...) {
        index_->GiveUp();
        throw CurrentError();
      }
    }
    environment->mailbox().Retain();
    return deferred.Promise();
  });
}

// dispose(): gives the memory back when the last scan has ended, on a thread: gigabytes take the system a
// while
Napi::Value VectorIndexObject::Dispose(const Napi::CallbackInfo& info) {
  if (!index_) return info.Env().Undefined();
  index_->Close();
  try {
    Environment::Of(info.Env()).Spawn([index = std::move(index_)]() mutable { index.reset(); });
  } catch (const std::system_error&) {
    // No thread for it: it has been given back here.
  }
  return info.Env().Undefined();
}

}  // namespace crossrank::addon
