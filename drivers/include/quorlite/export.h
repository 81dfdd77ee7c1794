// What the shared library shows. Everything that is not marked so is hidden.
#pragma once

#if defined(__GNUC__)
#define QUORLITE_EXPORT __attribute__((visibility("default")))
#else
#define QUORLITE_EXPORT
#endif
