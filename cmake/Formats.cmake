# Builds native/formats (the Rust crate that parses every byte from outside) into a static library with cargo.
# Defines the imported target crossrank::formats.
#
#   CROSSRANK_CARGO_TARGET_DIR  where cargo builds; a folder that outlives the build folder makes rebuilds quick
#   CROSSRANK_RUST_TARGET       target triple when it is not the host's
#   CROSSRANK_CARGO_OFFLINE     ON: cargo must not touch the network (`cargo fetch` or `cargo vendor` came before)
cmake_minimum_required(VERSION 3.20)
include_guard(GLOBAL)

set(CROSSRANK_CARGO_TARGET_DIR "${CMAKE_CURRENT_BINARY_DIR}/cargo" CACHE PATH "Build folder of cargo")
set(CROSSRANK_RUST_TARGET "" CACHE STRING "Rust target triple (empty: derived from the C++ target)")
option(CROSSRANK_CARGO_OFFLINE "Let cargo use no network" OFF)

# The edition and the dependencies' own minimum; rust-version in Cargo.toml says the same.
set(crossrank_minimum_rust 1.85)

find_program(CROSSRANK_CARGO cargo
  HINTS "$ENV{CARGO_HOME}/bin" "$ENV{HOME}/.cargo/bin" "$ENV{USERPROFILE}/.cargo/bin")
if(NOT CROSSRANK_CARGO)
  message(FATAL_ERROR "Building crossrank from source needs Rust ${crossrank_minimum_rust} or newer, and `cargo` was not "
    "found.\nInstall it from https://rustup.rs, or name it with -DCROSSRANK_CARGO=/path/to/cargo")
endif()
execute_process(COMMAND "${CROSSRANK_CARGO}" --version
  OUTPUT_VARIABLE crossrank_cargo_version ERROR_VARIABLE crossrank_cargo_error RESULT_VARIABLE crossrank_cargo_result
  OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT crossrank_cargo_result EQUAL 0 OR NOT crossrank_cargo_version MATCHES "^cargo ([0-9]+\\.[0-9]+)")
  message(FATAL_ERROR "`${CROSSRANK_CARGO} --version` failed (${crossrank_cargo_result}): ${crossrank_cargo_error}")
endif()
if(CMAKE_MATCH_1 VERSION_LESS crossrank_minimum_rust)
  message(FATAL_ERROR "Building crossrank from source needs Rust ${crossrank_minimum_rust} or newer, but "
    "${CROSSRANK_CARGO} is ${crossrank_cargo_version}.\nUpdate it with `rustup update`.")
endif()
message(STATUS "Found ${crossrank_cargo_version}")

set(crossrank_rust_target "${CROSSRANK_RUST_TARGET}")
if(NOT crossrank_rust_target AND APPLE AND CMAKE_OSX_ARCHITECTURES)
  list(LENGTH CMAKE_OSX_ARCHITECTURES crossrank_architectures)
  if(crossrank_architectures GREATER 1)
    message(FATAL_ERROR "Build one architecture at a time; CMAKE_OSX_ARCHITECTURES is ${CMAKE_OSX_ARCHITECTURES}")
  endif()
  if(CMAKE_OSX_ARCHITECTURES STREQUAL "arm64")
    set(crossrank_rust_target aarch64-apple-darwin)
  else()
    set(crossrank_rust_target x86_64-apple-darwin)
  endif()
elseif(NOT crossrank_rust_target AND MSVC)
  # A GNU host toolchain must not be taken for a Visual C++ build.
  if(CMAKE_CXX_COMPILER_ARCHITECTURE_ID STREQUAL "ARM64")
    set(crossrank_rust_target aarch64-pc-windows-msvc)
  else()
    set(crossrank_rust_target x86_64-pc-windows-msvc)
  endif()
endif()

get_filename_component(crossrank_formats_crate "${CMAKE_CURRENT_LIST_DIR}/../native/formats" ABSOLUTE)
set(crossrank_cargo_arguments build --release --locked --manifest-path "${crossrank_formats_crate}/Cargo.toml"
  --target-dir "${CROSSRANK_CARGO_TARGET_DIR}")
set(crossrank_cargo_output "${CROSSRANK_CARGO_TARGET_DIR}")
if(crossrank_rust_target)
  list(APPEND crossrank_cargo_arguments --target "${crossrank_rust_target}")
  string(APPEND crossrank_cargo_output "/${crossrank_rust_target}")
endif()
if(CROSSRANK_CARGO_OFFLINE)
  list(APPEND crossrank_cargo_arguments --offline)
endif()
set(crossrank_formats_library
  "${crossrank_cargo_output}/release/${CMAKE_STATIC_LIBRARY_PREFIX}crossrank_formats${CMAKE_STATIC_LIBRARY_SUFFIX}")

# Panic messages carry source paths: those of the build machine must not be in what is published. Encoded, because plain
# RUSTFLAGS splits at spaces; a user's own flags come first.
set(crossrank_cargo_home "$ENV{CARGO_HOME}")
if(NOT crossrank_cargo_home)
  set(crossrank_cargo_home "$ENV{HOME}$ENV{USERPROFILE}/.cargo")
endif()
string(ASCII 31 crossrank_separator)
string(REPLACE " " "${crossrank_separator}" crossrank_rustflags "$ENV{RUSTFLAGS}")
string(JOIN "${crossrank_separator}" crossrank_rustflags ${crossrank_rustflags}
  "--remap-path-prefix=${crossrank_formats_crate}=crossrank-formats"
  "--remap-path-prefix=${CROSSRANK_CARGO_TARGET_DIR}=target"
  "--remap-path-prefix=${crossrank_cargo_home}=cargo")
set(crossrank_cargo_environment "CARGO_ENCODED_RUSTFLAGS=${crossrank_rustflags}")
if(APPLE AND CMAKE_OSX_DEPLOYMENT_TARGET)
  list(APPEND crossrank_cargo_environment "MACOSX_DEPLOYMENT_TARGET=${CMAKE_OSX_DEPLOYMENT_TARGET}")
endif()

file(GLOB_RECURSE crossrank_formats_sources CONFIGURE_DEPENDS "${crossrank_formats_crate}/src/*.rs")
list(FILTER crossrank_formats_sources EXCLUDE REGEX "_tests\\.rs$|test_bytes\\.rs$")
# cargo leaves the library untouched when it finds nothing changed; the touch keeps make from asking again.
add_custom_command(OUTPUT "${crossrank_formats_library}"
  COMMAND "${CMAKE_COMMAND}" -E env ${crossrank_cargo_environment} "${CROSSRANK_CARGO}" ${crossrank_cargo_arguments}
  COMMAND "${CMAKE_COMMAND}" -E touch "${crossrank_formats_library}"
  DEPENDS ${crossrank_formats_sources} "${crossrank_formats_crate}/Cargo.toml" "${crossrank_formats_crate}/Cargo.lock"
  COMMENT "Building crossrank-formats with cargo (one to two minutes when new)" VERBATIM USES_TERMINAL)
add_custom_target(crossrank_formats_build DEPENDS "${crossrank_formats_library}")

add_library(crossrank_formats STATIC IMPORTED GLOBAL)
set_target_properties(crossrank_formats PROPERTIES IMPORTED_LOCATION "${crossrank_formats_library}")
add_dependencies(crossrank_formats crossrank_formats_build)
target_include_directories(crossrank_formats INTERFACE "${crossrank_formats_crate}/..")
# What Rust's standard library asks for (`rustc --print native-static-libs`).
if(WIN32)
  target_link_libraries(crossrank_formats INTERFACE kernel32 ntdll userenv ws2_32 dbghelp bcrypt advapi32)
elseif(APPLE)
  target_link_libraries(crossrank_formats INTERFACE iconv "-framework CoreFoundation")
else()
  set(THREADS_PREFER_PTHREAD_FLAG ON)
  find_package(Threads REQUIRED)
  target_link_libraries(crossrank_formats INTERFACE Threads::Threads ${CMAKE_DL_LIBS} m)
endif()
add_library(crossrank::formats ALIAS crossrank_formats)
