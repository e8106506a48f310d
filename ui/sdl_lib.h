/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sdl_lib.h -- SDL loaded when a window is asked for.  It brings some 40 libraries along, which
 * would triple the time from exec to the first guest instruction for everybody who asks for none.
 *
 * Spec: dlopen(3).
 * Omits: nothing.
 * Threads: the main thread.
 */
#ifndef UI_SDL_LIB_H
#define UI_SDL_LIB_H
#include <SDL.h>
#include <dlfcn.h>
#include <stdbool.h>

#define SDL_FUNCTIONS(X)                                                                       \
    X(CreateRenderer) X(CreateTexture) X(CreateWindow) X(DestroyRenderer) X(DestroyTexture)    \
    X(DestroyWindow) X(GetError) X(InitSubSystem) X(PollEvent) X(QuitSubSystem) X(RenderClear) \
    X(RenderCopy) X(RenderPresent) X(RenderSetLogicalSize) X(SetHint) X(SetMainReady)          \
    X(SetRelativeMouseMode) X(SetWindowSize) X(SetWindowTitle) X(UpdateTexture)                \
    X(GetClipboardText) X(RenderSetIntegerScale) X(SetWindowFullscreen) X(ShowCursor)          \
    X(GetModState) X(SetClipboardText) X(free)

#define SDL_POINTER_(name) __typeof__(SDL_##name) *name;
static struct {
    void *lib;
    SDL_FUNCTIONS(SDL_POINTER_)
} sdl;                                /* addresses in a library, the same for every machine */

/* false: there is no SDL, or too old a one; dlerror() says so. */
static inline bool sdl_load(void)
{
    if (!sdl.lib) {
        sdl.lib = dlopen("libSDL2-2.0.so.0", RTLD_NOW | RTLD_LOCAL);
    }
    if (!sdl.lib) {
        return false;
    }
#define SDL_LOAD_(name)                                              \
    *(void **)&sdl.name = dlsym(sdl.lib, "SDL_" #name);              \
    if (!sdl.name) {                                                 \
        return false;                                                \
    }
    SDL_FUNCTIONS(SDL_LOAD_)
    return true;
}

#define SDL_CreateRenderer       sdl.CreateRenderer
#define SDL_CreateTexture        sdl.CreateTexture
#define SDL_CreateWindow         sdl.CreateWindow
#define SDL_DestroyRenderer      sdl.DestroyRenderer
#define SDL_DestroyTexture       sdl.DestroyTexture
#define SDL_DestroyWindow        sdl.DestroyWindow
#define SDL_GetError             sdl.GetError
#define SDL_InitSubSystem        sdl.InitSubSystem
#define SDL_PollEvent            sdl.PollEvent
#define SDL_QuitSubSystem        sdl.QuitSubSystem
#define SDL_RenderClear          sdl.RenderClear
#define SDL_RenderCopy           sdl.RenderCopy
#define SDL_RenderPresent        sdl.RenderPresent
#define SDL_RenderSetLogicalSize sdl.RenderSetLogicalSize
#define SDL_SetHint              sdl.SetHint
#define SDL_SetMainReady         sdl.SetMainReady
#define SDL_SetRelativeMouseMode sdl.SetRelativeMouseMode
#define SDL_SetWindowSize        sdl.SetWindowSize
#define SDL_SetWindowTitle       sdl.SetWindowTitle
#define SDL_UpdateTexture        sdl.UpdateTexture
#define SDL_GetClipboardText     sdl.GetClipboardText
#define SDL_RenderSetIntegerScale sdl.RenderSetIntegerScale
#define SDL_SetWindowFullscreen  sdl.SetWindowFullscreen
#define SDL_ShowCursor           sdl.ShowCursor
#define SDL_GetModState          sdl.GetModState
#define SDL_SetClipboardText     sdl.SetClipboardText
#define SDL_free                 sdl.free
#endif
