// Loading a fixture and asking an engine, for native tests.
#pragma once

#include <cstdlib>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "fixtures.h"

namespace crossrank::testing {

inline LoadOptions FixtureOptions(const std::string& name) {
  LoadOptions options;
  options.folder = FixturePath(name);
  const char* library = std::getenv("CROSSRANK_ONNXRUNTIME");  // npm test names the one beside the addon
  if (library == nullptr)
    throw Error(ErrorCode::kRuntime, "set CROSSRANK_ONNXRUNTIME to an ONNX Runtime library");
  options.library_paths = {library};
  return options;
}

inline std::shared_ptr<Model> LoadFixture(const std::string& name) {
  Cancellation never;
  return Model::Load(FixtureOptions(name), never);
}

// A request on its way, whose answer can be waited for.
struct Call {
  std::shared_ptr<Request> request = std::make_shared<Request>();
  std::promise<Outcome> promise;
  std::future<Outcome> answer = promise.get_future();

  Call(const std::string& query, const std::vector<std::string>& documents) {
    request->queries = {query};
    request->documents = documents;
    request->options.max_tokens = 128;
    request->options.rank = false;
    // Twice would throw, on a lane, and end the test.
    request->done = [this](Outcome outcome) { promise.set_value(std::move(outcome)); };
  }

  Call& SubmitTo(Engine& engine) {
    engine.Submit(request);
    return *this;
  }
  Outcome Wait() { return answer.get(); }
};

}  // namespace crossrank::testing
