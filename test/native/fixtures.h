// Reading test/fixtures from native tests.
#pragma once

#include <string>
#include <vector>

#include "common/mapped_file.h"
#include "model/json.h"

namespace crossrank::testing {

// CROSSRANK_SOURCE_DIR: the repository, given by CMake.
inline std::string FixturePath(const std::string& name) {
  return std::string(CROSSRANK_SOURCE_DIR) + "/test/fixtures/" + name;
}

inline Json ReadJsonFile(const std::string& path) {
  const MappedFile file(path);
  return Json::Parse(file.data(), file.size(), path);
}

inline std::vector<int32_t> Integers(const JsonView& array) {
  std::vector<int32_t> out(array.size());
  for (size_t i = 0; i < out.size(); i++) out[i] = static_cast<int32_t>(array.element(i).integer());
  return out;
}

}  // namespace crossrank::testing
