/** GLSL of the map. Positions stay in map units; the camera is three uniforms. */

export const POINT_VERTEX = /* glsl */ `
  attribute vec2 place;
  attribute vec4 paint;
  uniform vec2 centre;
  uniform vec2 scale;
  uniform float size;
  varying vec4 colour;
  varying float pixels;
  void main() {
    colour = paint;
    pixels = size;
    gl_PointSize = size;
    gl_Position = vec4((place - centre) * scale, 0.0, 1.0);
  }
`;

export const POINT_FRAGMENT = /* glsl */ `
  precision highp float;
  uniform float opacity;
  varying vec4 colour;
  varying float pixels;
  void main() {
    float from = length(gl_PointCoord - 0.5) * pixels;
    float edge = 1.0 - smoothstep(0.5 * pixels - 0.9, 0.5 * pixels + 0.1, from);
    if (pixels < 2.2) edge = 1.0;
    if (edge <= 0.0) discard;
    gl_FragColor = vec4(colour.rgb, colour.a * opacity * edge);
  }
`;

/** Rings round marked points; the attribute "ring" is (diameter in pixels, filled or not). */
export const RING_VERTEX = /* glsl */ `
  attribute vec2 place;
  attribute vec3 paint;
  attribute vec2 ring;
  uniform vec2 centre;
  uniform vec2 scale;
  uniform float ratio;
  varying vec3 colour;
  varying vec2 shape;
  void main() {
    colour = paint;
    shape = vec2(ring.x * ratio, ring.y);
    gl_PointSize = shape.x;
    gl_Position = vec4((place - centre) * scale, 0.0, 1.0);
  }
`;

export const RING_FRAGMENT = /* glsl */ `
  precision highp float;
  uniform float ratio;
  uniform vec3 halo;
  varying vec3 colour;
  varying vec2 shape;
  void main() {
    float radius = 0.5 * shape.x;
    float from = length(gl_PointCoord - 0.5) * shape.x;
    float outer = 1.0 - smoothstep(radius - 1.0, radius, from);
    float line = 2.0 * ratio;
    float inner = smoothstep(radius - line - 2.0 * ratio, radius - line - 2.0 * ratio + 1.0, from);
    float body = 1.0 - smoothstep(radius - ratio - 1.0, radius - ratio, from);
    vec3 shade = mix(halo, colour, body);
    float alpha = outer * mix(inner, 1.0, shape.y);
    if (alpha <= 0.0) discard;
    gl_FragColor = vec4(shade, alpha);
  }
`;

export const DENSITY_VERTEX = /* glsl */ `
  attribute vec2 place;
  attribute vec2 corner;
  uniform vec2 centre;
  uniform vec2 scale;
  varying vec2 at;
  void main() {
    at = corner;
    gl_Position = vec4((place - centre) * scale, 0.0, 1.0);
  }
`;

export const DENSITY_FRAGMENT = /* glsl */ `
  precision highp float;
  uniform sampler2D field;
  uniform vec3 tint;
  uniform float opacity;
  varying vec2 at;
  void main() {
    float value = texture2D(field, at).r;
    gl_FragColor = vec4(tint, opacity * value);
  }
`;

export const LINE_VERTEX = /* glsl */ `
  attribute vec2 place;
  uniform vec2 centre;
  uniform vec2 scale;
  void main() {
    gl_Position = vec4((place - centre) * scale, 0.0, 1.0);
  }
`;

export const LINE_FRAGMENT = /* glsl */ `
  precision highp float;
  uniform vec3 tint;
  uniform float opacity;
  void main() {
    gl_FragColor = vec4(tint, opacity);
  }
`;
