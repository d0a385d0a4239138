@node "%~dp0prebuild-gyp.cjs" %*
