"""A VST3 effect of twenty lines, compiled where DPF (Debian's dpf-source, or MUSICGEN_STUDIO_TESTS_DPF) and g++ are."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_PLACES = (os.environ.get("MUSICGEN_STUDIO_TESTS_DPF", ""), "/usr/share/dpf")
DPF = next((Path(place) for place in _PLACES if place and (Path(place) / "distrho").is_dir()), None)

_INFO = """
#pragma once
#define DISTRHO_PLUGIN_BRAND "Test"
#define DISTRHO_PLUGIN_NAME "Halver"
#define DISTRHO_PLUGIN_URI "urn:test:halver"
#define DISTRHO_PLUGIN_HAS_UI 0
#define DISTRHO_PLUGIN_IS_RT_SAFE 1
#define DISTRHO_PLUGIN_NUM_INPUTS 2
#define DISTRHO_PLUGIN_NUM_OUTPUTS 2
#define DISTRHO_PLUGIN_VST3_CATEGORIES "Fx|Stereo"
"""
_SOURCE = """
#include "DistrhoPlugin.hpp"
#include <cstdlib>
START_NAMESPACE_DISTRHO
class Halver : public Plugin {
    float gain = 0.5f;
public:
    Halver() : Plugin(1, 0, 0) {
#ifdef CRASH
        abort();
#endif
    }
protected:
    const char* getLabel() const override { return "Halver"; }
    const char* getMaker() const override { return "Test"; }
    const char* getLicense() const override { return "ISC"; }
    uint32_t getVersion() const override { return d_version(1, 0, 0); }
    int64_t getUniqueId() const override { return d_cconst('h', 'l', 'v', 'r'); }
    void initParameter(uint32_t, Parameter& p) override {
        p.hints = kParameterIsAutomatable; p.name = "Gain"; p.symbol = "gain";
        p.ranges.def = 0.5f; p.ranges.min = 0.f; p.ranges.max = 1.f;
    }
    float getParameterValue(uint32_t) const override { return gain; }
    void setParameterValue(uint32_t, float value) override { gain = value; }
    void run(const float** in, float** out, uint32_t frames) override {
        for (uint32_t c = 0; c < 2; ++c)
            for (uint32_t i = 0; i < frames; ++i) out[c][i] = in[c][i] * gain;
    }
};
Plugin* createPlugin() { return new Halver(); }
END_NAMESPACE_DISTRHO
"""


def build_vst3(folder: Path, name: str, *options: str) -> Path:
    """The plug-in's bundle, `name`.vst3 in the folder."""
    (folder / "DistrhoPluginInfo.h").write_text(_INFO)
    (folder / "Plugin.cpp").write_text(_SOURCE)
    binary = folder / f"{name}.vst3" / "Contents" / "x86_64-linux" / f"{name}.so"
    binary.parent.mkdir(parents=True)
    subprocess.run(
        [
            "g++", "-std=c++17", "-O1", "-shared", "-fPIC", "-fvisibility=hidden", "-DDISTRHO_PLUGIN_TARGET_VST3", *options,
            f"-I{folder}", f"-I{DPF}/distrho", str(folder / "Plugin.cpp"), f"{DPF}/distrho/DistrhoPluginMain.cpp",
            "-o", str(binary), "-lpthread", "-ldl",
        ],
        check=True,
    )  # fmt: skip
    return folder / f"{name}.vst3"
