// The smallest test runner: named tests, checks that say where they failed. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdio>
#include <functional>
#include <string>
#include <utility>
#include <vector>

inline std::vector<std::pair<std::string, std::function<void()>>>& allTests()
{
    static std::vector<std::pair<std::string, std::function<void()>>> tests;
    return tests;
}
inline int& failures()
{
    static int count = 0;
    return count;
}
struct Registered {
    Registered(const char* name, std::function<void()> body) { allTests().emplace_back(name, std::move(body)); }
};

#define TEST(name)                                        \
    static void name();                                   \
    static const Registered registered_##name(#name, name); \
    static void name()
#define CHECK(what)                                                            \
    do {                                                                       \
        if (!(what)) {                                                         \
            ++failures();                                                      \
            std::printf("  %s:%d: not so: %s\n", __FILE__, __LINE__, #what);   \
        }                                                                      \
    } while (false)
