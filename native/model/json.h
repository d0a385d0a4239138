// A JSON document (config.json and its kin), parsed by the Rust crate.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "formats/crossrank_formats.h"

namespace crossrank {

// A value inside a Json, valid as long as it. Cheap to copy. A reader of the wrong kind throws kModelInvalid,
// naming the file, what was expected and what is there.
class JsonView {
 public:
  bool isNull() const { return kind() == CR_JSON_NULL; }  // also: not there
  bool isBoolean() const { return kind() == CR_JSON_BOOL; }
  bool isNumber() const { return kind() == CR_JSON_NUMBER; }
  bool isString() const { return kind() == CR_JSON_STRING; }
  bool isArray() const { return kind() == CR_JSON_ARRAY; }
  bool isObject() const { return kind() == CR_JSON_OBJECT; }

  bool boolean() const;
  double number() const;
  int64_t integer() const;  // throws for a fraction, and beyond 2^53, where a double holds no exact integer
  std::string_view string() const;

  // Elements of an array or members of an object; 0 for all else.
  size_t size() const { return cr_json_size(node_); }
  JsonView element(size_t index) const;      // of an array
  std::string_view key(size_t index) const;  // of an object; members are sorted by key
  JsonView value(size_t index) const;        // of an object

  bool has(std::string_view key) const;
  JsonView operator[](std::string_view key) const;  // null when it is not there
  JsonView at(std::string_view key) const;          // throws when it is not there

 private:
  friend class Json;
  JsonView(const cr_json_node* node, const std::string* name) : node_(node), name_(name) {}
  cr_json_kind kind() const { return cr_json_kind_of(node_); }
  void Require(cr_json_kind expected) const;

  const cr_json_node* node_;
  const std::string* name_;
};

class Json {
 public:
  // `name` is what errors call the document. The bytes are not kept. Throws kModelInvalid.
  static Json Parse(const uint8_t* data, size_t size, const std::string& name);

  JsonView root() const { return {cr_json_root(document_.get()), name_.get()}; }
  const std::string& name() const { return *name_; }

 private:
  struct Free {
    void operator()(cr_json* document) const { cr_json_free(document); }
  };
  Json(cr_json* document, const std::string& name)
      : document_(document), name_(std::make_unique<const std::string>(name)) {}

  std::unique_ptr<cr_json, Free> document_;
  std::unique_ptr<const std::string> name_;  // views point to it, so it stays when the Json is moved
};

}  // namespace crossrank
