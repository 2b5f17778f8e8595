import { RawShaderMaterial, type Vector2, Vector3 } from "three";
import * as shaders from "./shaders";

/** Uniforms that all materials share: changed once a frame, seen by all. */
export interface CameraUniforms {
  readonly centre: { value: Vector2 };
  readonly scale: { value: Vector2 };
}

function material(vertexShader: string, fragmentShader: string, uniforms: object) {
  return new RawShaderMaterial({
    vertexShader,
    fragmentShader,
    uniforms: { ...uniforms },
    transparent: true,
    depthTest: false,
    depthWrite: false,
  });
}

export function densityMaterial(camera: CameraUniforms): RawShaderMaterial {
  const own = { field: { value: null }, tint: { value: new Vector3() }, opacity: { value: 0 } };
  return material(shaders.DENSITY_VERTEX, shaders.DENSITY_FRAGMENT, { ...camera, ...own });
}

export function pointMaterial(camera: CameraUniforms): RawShaderMaterial {
  const own = { size: { value: 2 }, opacity: { value: 1 } };
  return material(shaders.POINT_VERTEX, shaders.POINT_FRAGMENT, { ...camera, ...own });
}

export function lineMaterial(camera: CameraUniforms): RawShaderMaterial {
  const own = { tint: { value: new Vector3() }, opacity: { value: 0.4 } };
  return material(shaders.LINE_VERTEX, shaders.LINE_FRAGMENT, { ...camera, ...own });
}

export function ringMaterial(
  camera: CameraUniforms & { readonly ratio: { value: number } },
): RawShaderMaterial {
  const own = { halo: { value: new Vector3() } };
  return material(shaders.RING_VERTEX, shaders.RING_FRAGMENT, { ...camera, ...own });
}
