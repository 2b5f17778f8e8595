/** Line icons on a 16 x 16 grid, in the colour of the text. Decorative: buttons carry the name. */
const PATHS = {
  left: "M10 3 5 8l5 5",
  right: "m6 3 5 5-5 5",
  plus: "M8 3v10M3 8h10",
  minus: "M3 8h10",
  fit: "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
  link: "M6.5 9.5l3-3M7 4.5l1.2-1.2a2.6 2.6 0 0 1 3.7 3.7L10.700 8.300M9 11.500l-1.200 1.200a2.600 2.600 0 0 1-3.700-3.700L5.300 7.700",
  sun: "M8 10.800a2.800 2.800 0 1 0 0-5.600 2.800 2.800 0 0 0 0 5.600zM8 1.500v1.300M8 13.200v1.300M1.500 8h1.300M13.200 8h1.300M3.400 3.400l.9.9M11.700 11.700l.9.9M3.400 12.600l.9-.9M11.700 4.300l.9-.9",
  moon: "M13.200 9.700A5.700 5.700 0 0 1 6.300 2.800a5.700 5.700 0 1 0 6.900 6.900z",
  search: "M7 11.500a4.500 4.500 0 1 0 0-9 4.500 4.500 0 0 0 0 9zM10.300 10.300 13.500 13.500",
  close: "m4 4 8 8M12 4l-8 8",
  camera:
    "M2.500 5h2.400l1-1.700h4.200l1 1.700h2.400v8h-11zM8 11a2.300 2.300 0 1 0 0-4.600A2.300 2.300 0 0 0 8 11z",
  list: "M2.500 4h11M2.500 8h11M2.500 12h11",
  grid: "M2.500 2.500h4.500v4.500H2.500zM9 2.500h4.500v4.500H9zM2.500 9h4.500v4.500H2.500zM9 9h4.500v4.500H9z",
  panel: "M2.500 3h11v10h-11zM10 3v10",
} as const;

export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg className="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
